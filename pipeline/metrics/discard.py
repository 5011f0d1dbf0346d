"""What a quality measure is worth: how the error rate falls when the worst samples are discarded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.metrics.curves import Bools
from pipeline.types import F64


@dataclass(frozen=True, slots=True, eq=False)
class DiscardCurve:
    """Error versus discard (Grother and Tabassi 2007, "Performance of biometric quality measures").

    Attributes:
        levels: (K,) float64 ascending: the distinct qualities. At level k all comparisons below it are discarded.
        discarded: (K,) float64, share discarded, in [0, 1); 0 at the first level.
        error_rate: (K,) float64, share of errors among those kept.
    """

    levels: F64
    discarded: F64
    error_rate: F64


def error_versus_discard(errors: Bools, quality: F64) -> DiscardCurve:
    """The curve over every distinct quality; equal qualities are discarded together, so no order is invented.

    Args:
        errors: (N,) whether each comparison is an error at the threshold that is looked at (FNMR: a missed mate).
        quality: (N,) quality of each comparison: the lower one of its two samples. NaN counts as the lowest.
    """
    quality = np.where(np.isnan(quality), -np.inf, np.asarray(quality, np.float64))
    order = np.argsort(quality, kind="stable")
    levels, starts = np.unique(quality[order], return_index=True)
    kept = len(quality) - starts
    wrong = np.concatenate([np.cumsum(np.asarray(errors, np.int64)[order][::-1])[::-1], [0]])[starts]
    return DiscardCurve(levels, starts / max(len(quality), 1), wrong / np.maximum(kept, 1))
