"""Error rates as pure functions of scores (terms of ISO/IEC 2382-37 and 19795-1).

A score is a cosine similarity; a comparison is a match iff score >= threshold. Failures to acquire count as errors: a
mated pair that failed is missed at every threshold, a non-mated pair that failed is never matched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.types import F64

Bools = npt.NDArray[np.bool_]
_Z95 = 1.959963984540054


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
    n = len(non_mated)
    if n == 0 or fmr < 1 / n:
        raise ValueError(f"a false match rate of {fmr:g} takes at least {int(np.ceil(1 / fmr))} comparisons, not {n}")
    allowed = int(np.floor(fmr * n + 1e-9))
    if allowed >= n:
        return float("-inf")
    first_refused = np.sort(np.asarray(non_mated, np.float64))[::-1][allowed]
    return float(np.nextafter(first_refused, np.inf))


def match_rate(scores: F64, threshold: float) -> float:
    """Share of the scores that reach the threshold, in [0, 1]; NaN for no scores."""
    return float(np.mean(np.asarray(scores) >= threshold)) if len(scores) else float("nan")


def equal_error_rate(mated: F64, non_mated: F64) -> float:
    """The error rate where FMR and FNMR are closest (at the lowest such threshold): the mean of the two, in [0, 1]."""
    scores = np.unique(np.concatenate([mated, non_mated]))
    thresholds = np.concatenate([scores, [np.inf]])
    missed = np.searchsorted(np.sort(mated), thresholds, side="left")
    matched = len(non_mated) - np.searchsorted(np.sort(non_mated), thresholds, side="left")
    best = int(np.argmin(np.abs(matched * len(mated) - missed * len(non_mated))))  # whole numbers: ties are exact
    return float((matched[best] / len(non_mated) + missed[best] / len(mated)) / 2)


def wilson_interval(errors: int, trials: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927); for no errors the upper end is the rule of three, 3/N (Hanley 1983)."""
    if trials == 0:
        return 0.0, 1.0
    rate, z2 = errors / trials, _Z95**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z95 / (1 + z2 / trials) * np.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    low, high = max(0.0, float(centre - half)), min(1.0, float(centre + half))
    if errors == 0:
        return 0.0, min(1.0, 3 / trials)
    return low, 1.0 if errors == trials else high


def best_accuracy_threshold(scores: F64, mated: Bools) -> float:
    """A threshold of highest accuracy: halfway between two scores, in the middle of the best stretch.

    Without any scores nothing is known, and nothing matches: inf.
    """
    if not len(scores):
        return float("inf")
    order = np.argsort(scores, kind="stable")
    values, labels = scores[order], mated[order]
    below_right = np.concatenate([[0], np.cumsum(~labels)])
    above_right = np.concatenate([np.cumsum(labels[::-1])[::-1], [0]])
    correct = below_right + above_right
    edges = np.concatenate([[values[0] - 1], (values[:-1] + values[1:]) / 2, [values[-1] + 1]])
    splits = np.concatenate([[True], values[:-1] != values[1:], [True]])
    correct = np.where(splits, correct, -1)
    winners = np.nonzero(correct == correct.max())[0]
    return float(edges[winners[len(winners) // 2]])


@dataclass(frozen=True, slots=True)
class Accuracy:
    """k-fold accuracy: mean and standard deviation over the folds, in [0, 1], and the threshold of each fold."""

    mean: float
    std: float
    thresholds: tuple[float, ...]


def k_fold_accuracy(scores: F64, mated: Bools, failed: Bools, folds: int = 10) -> Accuracy:
    """Accuracy by the LFW protocol (Huang et al. 2007): a fold's threshold is chosen on the other folds only.

    Mated and non-mated pairs are dealt to the folds in their order, a contiguous stretch each; a fold that gets none,
    because there are fewer pairs than folds, is left out.

    Args:
        scores: (N,) scores; the value at a failed pair is ignored.
        mated: (N,) whether the pair shows one person.
        failed: (N,) failures to acquire: wrong in the test fold, left out when a threshold is chosen.
        folds: How many, at least 2.
    """
    fold_of = np.empty(len(scores), np.intp)
    for value in (True, False):
        rows = np.nonzero(mated == value)[0]
        fold_of[rows] = np.arange(len(rows)) * folds // max(len(rows), 1)
    rates, thresholds = [], []
    for fold in range(folds):
        train = (fold_of != fold) & ~failed
        test = fold_of == fold
        if not test.any():
            continue
        threshold = best_accuracy_threshold(scores[train], mated[train])
        right = ((scores >= threshold) == mated) & ~failed
        rates.append(float(right[test].mean()))
        thresholds.append(threshold)
    return Accuracy(float(np.mean(rates)), float(np.std(rates)), tuple(thresholds))
