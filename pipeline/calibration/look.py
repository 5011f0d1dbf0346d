"""What the comparisons of a calibration look like: how scores are spread, and the errors at every threshold.

Everything is of the half of the people that gives the error rates, so a threshold shows here what it is reported with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.calibration.bounds import Rate, match_rate, miss_rate
from pipeline.calibration.comparisons import Mated, NonMated, Part
from pipeline.calibration.halves import Compared
from pipeline.calibration.thresholds import rate_in_gallery
from pipeline.types import F64

STEP = 0.01
"""Width of a bar, and of a step of the curve, in score."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The errors at one threshold.

    Attributes:
        wrong: Strangers who match (FMR, or FPIR in the gallery), with the upper end of its 95 % interval.
        missed: Share of comparisons of one person that are missed (FNMR, or FNIR), NaN where there are none.
    """

    wrong: Rate
    missed: float


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Comparisons for one task.

    Attributes:
        size: Subjects in the gallery; None for verify.
        thresholds: (T,) ascending, from the lowest score to 1.
        wrong: (T,) share of strangers who match there: FMR, or FPIR in the gallery.
        missed: (T,) share of comparisons of one person that are missed there; NaN where there are none.
        strangers, same: (T - 1,) share of the comparisons of different people, and of one person, between thresholds.
        pairs: How many comparisons of different people stand behind this.
        mated: How many of one person.
    """

    size: int | None
    thresholds: F64
    wrong: F64
    missed: F64
    strangers: F64
    same: F64
    pairs: int
    mated: int
    _non_mated: NonMated
    _mated: Mated

    def at(self, threshold: float) -> Shares:
        """The errors at a threshold, with their bound."""
        if self.size is None:
            wrong = match_rate(self._non_mated, threshold)
        else:
            wrong = rate_in_gallery(self._non_mated, threshold, self.size)
        return Shares(wrong, miss_rate(self._mated, threshold, ranked=self.size is not None))


def look(compared: Compared, task: Literal["verify", "identify"], size: int = 1) -> Look:
    """How the comparisons of a calibration look.

    Args:
        compared: All of them.
        task: Photo against photo, or photo against the subjects of a gallery.
        size: Subjects in that gallery.
    """
    part: Part = compared.check
    non_mated, mated = (part.verify, part.mated) if task == "verify" else (part.search, part.found)
    finite = mated.scores[np.isfinite(mated.scores)]
    lowest = float(np.min([*non_mated.scores[-1:], *([finite.min()] if len(finite) else []), 0.0]))
    edges: F64 = np.arange(np.floor(lowest / STEP), np.ceil(1 / STEP) + 1) * STEP
    above = np.searchsorted(-non_mated.scores, -edges, side="right")
    reached = np.concatenate([[0.0], np.cumsum(non_mated.weights)])[above] / max(non_mated.pairs, 1.0)
    wrong = np.clip(reached, 0.0, 1.0)
    if task == "identify":
        wrong = np.array([rate_in_gallery(non_mated, float(edge), size).value for edge in edges])
    ranked = task == "identify"
    missed = np.array([miss_rate(mated, float(edge), ranked=ranked) for edge in edges])
    return Look(
        None if task == "verify" else size,
        edges,
        wrong,
        missed,
        _shares(non_mated.scores, non_mated.weights, edges),
        _shares(finite, mated.weights[np.isfinite(mated.scores)], edges),
        round(non_mated.pairs),
        len(mated.scores),
        non_mated,
        mated,
    )


def _shares(scores: F64, weights: F64, edges: F64) -> F64:
    counts, _ = np.histogram(scores, edges, weights=weights)
    total = counts.sum()
    shares: F64 = counts / total if total else counts
    return shares
