"""1:1: error rates at every threshold, and what is read off them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.types import F64

Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


def failures_as_errors(scores: F64) -> F64:
    """The scores with -inf for NaN: a comparison that failed is missed if mated and never matched if not.

    Args:
        scores: (N,) scores; NaN where a failure to acquire (FTA) or to enrol (FTE) left no score.
    """
    scores = np.asarray(scores, np.float64)
    return np.where(np.isnan(scores), -np.inf, scores)


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCurve:
    """Errors at T thresholds, as whole numbers (weights of comparisons), so that ties are exact.

    Attributes:
        thresholds: (T,) float64 ascending: every distinct finite score, then inf.
        matched: (T,) int64, non-mated comparisons with score >= threshold; falls to 0.
        missed: (T,) int64, mated comparisons with score < threshold; rises to `mated`.
        mated: All mated comparisons.
        non_mated: All non-mated comparisons.
    """

    thresholds: F64
    matched: Counts
    missed: Counts
    mated: int
    non_mated: int

    @property
    def fmr(self) -> F64:
        """(T,) false match rate in [0, 1] (1:N: FPIR); NaN without non-mated comparisons."""
        return _shares(self.matched, self.non_mated)

    @property
    def fnmr(self) -> F64:
        """(T,) false non-match rate in [0, 1] (1:N: FNIR); NaN without mated comparisons."""
        return _shares(self.missed, self.mated)

    def equal_error_rate(self) -> float:
        """The error rate where FMR and FNMR are closest (at the lowest such threshold): the mean of the two.

        In [0, 1]; NaN where one kind of comparison is missing.
        """
        if not self.mated or not self.non_mated:
            return float("nan")
        best = int(np.argmin(np.abs(self.matched * self.mated - self.missed * self.non_mated)))
        return float((self.matched[best] / self.non_mated + self.missed[best] / self.mated) / 2)

    def row_at_fmr(self, fmr: float) -> int:
        """Row of the lowest threshold at which at most a share `fmr` of the non-mated comparisons match."""
        allowed = np.floor(fmr * self.non_mated + 1e-9)
        return int(np.searchsorted(-self.matched, -allowed, side="left"))

    def fnmr_at_fmr(self, fmr: float, *, resampled: bool = False) -> float:
        """FNMR at the lowest threshold whose FMR is at most `fmr`; NaN without mated comparisons.

        Args:
            fmr: The rate allowed, in (0, 1].
            resampled: This curve is one draw of a bootstrap, so `fmr` was held against the real number before.

        Raises:
            ValueError: fmr is below 1/N.
        """
        if not resampled:
            check_rate(fmr, self.non_mated)
        return float(self.missed[self.row_at_fmr(fmr)] / self.mated) if self.mated else float("nan")


class ScoreSweep:
    """Scores sorted once, from which curves under different weights are made (a bootstrap needs thousands).

    Args:
        scores: (N,) scores; -inf where a comparison failed.
        mated: (N,) whether it is of one subject.

    Raises:
        ValueError: A score is NaN (see `failures_as_errors`), or the shapes differ.
    """

    def __init__(self, scores: F64, mated: Bools) -> None:
        scores, mated = np.asarray(scores, np.float64), np.asarray(mated, bool)
        if scores.ndim != 1 or scores.shape != mated.shape:
            raise ValueError(f"scores {scores.shape} and mated {mated.shape} must be one-dimensional and of one length")
        if np.isnan(scores).any():
            raise ValueError("a score is not a number: give failures as -inf (failures_as_errors)")
        self._order = np.argsort(scores, kind="stable")
        values = scores[self._order]
        starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])) if len(values) else np.arange(0)
        starts = starts[np.isfinite(values[starts])]
        self._places = np.concatenate([starts, [len(values)]])
        self._thresholds = np.concatenate([values[starts], [np.inf]])
        self._mated = mated[self._order]

    def curve(self, weights: Counts | None = None) -> ErrorCurve:
        """The curve when comparison i counts `weights[i]` times, (N,) int64; once by default."""
        weight = np.ones(len(self._order), np.int64) if weights is None else np.asarray(weights, np.int64)[self._order]
        below_mated = np.concatenate([[0], np.cumsum(weight * self._mated)])
        below = np.concatenate([[0], np.cumsum(weight)])
        mated, total = int(below_mated[-1]), int(below[-1])
        missed = below_mated[self._places]
        matched = (total - mated) - (below[self._places] - missed)
        return ErrorCurve(self._thresholds, matched, missed, mated, total - mated)


def error_curve(mated: F64, non_mated: F64) -> ErrorCurve:
    """FMR and FNMR at every threshold that makes a difference: the DET curve.

    Args:
        mated: (M,) scores of comparisons of one subject; -inf where one failed.
        non_mated: (N,) scores of comparisons of different subjects; likewise.
    """
    labels = np.concatenate([np.ones(len(mated), bool), np.zeros(len(non_mated), bool)])
    return ScoreSweep(np.concatenate([mated, non_mated]), labels).curve()


def equal_error_rate(mated: F64, non_mated: F64) -> float:
    """The error rate where FMR and FNMR are closest (at the lowest such threshold): the mean of the two, in [0, 1]."""
    return error_curve(mated, non_mated).equal_error_rate()


def check_rate(rate: float, trials: int, what: str = "false match rate", units: str = "comparisons") -> None:
    """Refuses a rate that so many trials say nothing about.

    Raises:
        ValueError: rate is below 1/trials; the message says how many it takes. We do not interpolate.
    """
    if not 0 < rate <= 1:
        raise ValueError(f"a {what} must lie above 0 and not above 1, not at {rate:g}")
    if rate * trials < 1 - 1e-9:
        raise ValueError(f"a {what} of {rate:g} takes at least {int(np.ceil(1 / rate - 1e-9))} {units}, not {trials}")


def threshold_at_fmr(non_mated: F64, fmr: float) -> float:
    """The lowest threshold at which at most a share `fmr` of the non-mated scores match.

    Args:
        non_mated: (N,) scores of comparisons of different people.
        fmr: The rate allowed, in (0, 1].

    Returns:
        The smallest float just above the score that must no longer match (or -inf where all may match).

    Raises:
        ValueError: fmr is below 1/N: N comparisons say nothing about it, and we do not interpolate.
    """
    check_rate(fmr, len(non_mated))
    allowed = int(np.floor(fmr * len(non_mated) + 1e-9))
    if allowed >= len(non_mated):
        return float("-inf")
    first_refused = np.sort(np.asarray(non_mated, np.float64))[::-1][allowed]
    return float(np.nextafter(first_refused, np.inf))


def match_rate(scores: F64, threshold: float) -> float:
    """Share of the scores that reach the threshold, in [0, 1]; NaN for no scores. A failure (-inf) never matches."""
    scores = np.asarray(scores, np.float64)
    return float(np.mean((scores >= threshold) & (scores > -np.inf))) if len(scores) else float("nan")


def tar_at_fmr(mated: F64, non_mated: F64, fmr: float) -> float:
    """True accept rate (1 - FNMR) at the lowest threshold whose FMR is at most `fmr` ("TAR@FAR"), in [0, 1].

    Raises:
        ValueError: fmr is below 1/N.
    """
    return 1.0 - error_curve(mated, non_mated).fnmr_at_fmr(fmr)


def area_under_roc(mated: F64, non_mated: F64) -> float:
    """Chance that a mated score exceeds a non-mated one, ties counted half (Mann-Whitney); NaN without either kind."""
    if not len(mated) or not len(non_mated):
        return float("nan")
    values = np.sort(np.asarray(non_mated, np.float64))
    below, not_above = np.searchsorted(values, mated, side="left"), np.searchsorted(values, mated, side="right")
    return float((below.sum() + not_above.sum()) / (2 * len(mated) * len(non_mated)))


def _shares(counts: Counts, total: int) -> F64:
    return counts / total if total else np.full(len(counts), np.nan)
