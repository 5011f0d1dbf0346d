"""1:N, open-set: what a search of a gallery misses, and whom it names wrongly (terms of NIST FRTE 1:N).

Each probe is searched in a gallery of S subjects. A mated probe shows somebody enrolled: it is missed (FNIR) unless its
own subject is among the first `max_rank` and its score reaches the threshold. A non-mated probe shows somebody who is
not: it is a false positive (FPIR) if anybody's score reaches the threshold.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.metrics.curves import ErrorCurve, check_rate, error_curve, match_rate, threshold_at_fmr
from pipeline.types import F32, F64

Ranks = npt.NDArray[np.int64]


def mate_ranks(scores: F32 | F64, mates: npt.NDArray[np.intp]) -> tuple[F64, Ranks]:
    """Score and rank of each probe's own subject.

    Args:
        scores: (P, S) score of each probe with each subject; -inf where the probe or the subject failed.
        mates: (P,) column of the probe's subject.

    Returns:
        (P,) float64 scores and (P,) int64 ranks, 1 for the best. A tie counts against the probe: every other subject
        with the same score stands before its own. A failure has rank S + 1.
    """
    rows = np.arange(len(mates))
    own = scores[rows, mates].astype(np.float64)
    before = np.greater_equal(scores, scores[rows, mates][:, None]).sum(axis=1)  # itself included
    return own, np.where(own > -np.inf, before, scores.shape[1] + 1).astype(np.int64)


def cmc(ranks: Ranks, depth: int) -> F64:
    """Cumulative match characteristic: (depth,) share of mated probes whose rank is at most 1, 2, ... depth.

    Row 0 is the rank-1 identification rate of a closed set. NaN without probes.
    """
    if not len(ranks):
        return np.full(depth, np.nan)
    counts = np.bincount(np.minimum(ranks, depth + 1), minlength=depth + 2)[1 : depth + 1]
    shares: F64 = np.cumsum(counts) / len(ranks)
    return shares


def fpir(non_mated_tops: F64, threshold: float) -> float:
    """False positive identification rate: share of non-mated probes whose highest score reaches the threshold."""
    return match_rate(non_mated_tops, threshold)


def fnir(mate_scores: F64, ranks: Ranks, threshold: float, max_rank: int = 1) -> float:
    """False negative identification rate: share of mated probes not found within `max_rank` at the threshold."""
    if not len(ranks):
        return float("nan")
    found = _found_scores(mate_scores, ranks, max_rank)
    return float(np.mean((found < threshold) | (found == -np.inf)))


def threshold_at_fpir(non_mated_tops: F64, rate: float) -> float:
    """The lowest threshold at which at most a share `rate` of the non-mated probes are given a name.

    Args:
        non_mated_tops: (Q,) highest score of each non-mated probe; -inf where it failed.
        rate: The FPIR allowed, in (0, 1].

    Raises:
        ValueError: rate is below 1/Q.
    """
    check_rate(rate, len(non_mated_tops), "false positive identification rate", "non-mated probes")
    return threshold_at_fmr(non_mated_tops, rate)


def fnir_at_fpir(mate_scores: F64, ranks: Ranks, non_mated_tops: F64, rate: float, max_rank: int = 1) -> float:
    """FNIR at the lowest threshold whose FPIR is at most `rate`.

    Args:
        mate_scores: (P,) score of each mated probe's own subject.
        ranks: (P,) its rank.
        non_mated_tops: (Q,) highest score of each non-mated probe.
        rate: The FPIR allowed, in (0, 1].
        max_rank: How far down the list the own subject counts as found.

    Raises:
        ValueError: rate is below 1/Q.
    """
    return fnir(mate_scores, ranks, threshold_at_fpir(non_mated_tops, rate), max_rank)


def identification_curve(mate_scores: F64, ranks: Ranks, non_mated_tops: F64, max_rank: int = 1) -> ErrorCurve:
    """FPIR (as `fmr`) and FNIR (as `fnmr`) at every threshold that makes a difference. Arguments as `fnir_at_fpir`."""
    return error_curve(_found_scores(mate_scores, ranks, max_rank), np.asarray(non_mated_tops, np.float64))


def _found_scores(mate_scores: F64, ranks: Ranks, max_rank: int) -> F64:
    """The scores of own subjects, -inf where one is not within max_rank, so that no threshold finds it."""
    return np.where(ranks <= max_rank, np.asarray(mate_scores, np.float64), -np.inf)
