"""1:1: accuracy, as LFW and its successors report it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.metrics.curves import Bools
from pipeline.types import F64


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


def k_fold_accuracy(
    scores: F64, mated: Bools, failed: Bools, folds: int = 10, fold_of: npt.NDArray[np.intp] | None = None
) -> Accuracy:
    """Accuracy by the LFW protocol (Huang et al. 2007): a fold's threshold is chosen on the other folds only.

    Unless the folds are given, mated and non-mated pairs are dealt to them in their order, a contiguous stretch each. A
    fold that gets none, because there are fewer pairs than folds, is left out.

    Args:
        scores: (N,) scores; the value at a failed pair is ignored.
        mated: (N,) whether the pair shows one person.
        failed: (N,) failures to acquire: wrong in the test fold, left out when a threshold is chosen.
        folds: How many to deal, at least 2.
        fold_of: (N,) fold of each pair where the protocol says it; `folds` is not used then.
    """
    if fold_of is None:
        fold_of = np.empty(len(scores), np.intp)
        for value in (True, False):
            rows = np.nonzero(mated == value)[0]
            fold_of[rows] = np.arange(len(rows)) * folds // max(len(rows), 1)
    rates, thresholds = [], []
    for fold in np.unique(fold_of):
        train = (fold_of != fold) & ~failed
        test = fold_of == fold
        threshold = best_accuracy_threshold(scores[train], mated[train])
        right = ((scores >= threshold) == mated) & ~failed
        rates.append(float(right[test].mean()))
        thresholds.append(threshold)
    return Accuracy(float(np.mean(rates)), float(np.std(rates)), tuple(thresholds))
