"""The fit of the unified quality score, and what it is worth on people it was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize

from pipeline.metrics import error_versus_discard
from pipeline.metrics.bootstrap import subject_bootstrap
from pipeline.types import QualityFit
from scripts.benches._quality_photos import Photos

FMR_OF_THE_FIT, PENALTY = 1e-3, 1e-3
SHARES = tuple(np.linspace(0, 0.4, 41).round(2).tolist())
TOLD = (0.0, 0.02, 0.05, 0.1, 0.2)
RATES = (1e-2, 1e-3)
DISCARDED = 0.1
FOLDS = 2


class Comparisons:
    """Every photo with every good photo."""

    def __init__(self, photos: Photos) -> None:
        self.photos, self.good = photos, np.flatnonzero(~photos.degraded)
        self.scores = photos.vectors @ photos.vectors[self.good].T
        same = photos.people[:, None] == photos.people[self.good][None]
        self.mated = same & (photos.files[:, None] != photos.files[self.good][None])
        self.non_mated = ~same

    def threshold(self, rows: np.ndarray, fmr: float) -> float:
        """The lowest score with at most this share of the non-mated scores among these people at or above it."""
        rows_good = rows[self.good]
        own = rows & ~self.photos.degraded
        found = np.sort(self.scores[np.ix_(own, rows_good)][self.non_mated[np.ix_(own, rows_good)]])
        return float(np.nextafter(found[-1 - int(fmr * len(found))], 2))

    def pairs(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mated comparisons of these photos: the photo, and the column of the good one."""
        return np.nonzero(self.mated & rows[:, None])


def fit(comparisons: Comparisons, rows: np.ndarray, names: Sequence[str]) -> QualityFit:
    """Penalised logistic regression with weights of at least 0; every photo counts once."""
    table = np.stack([comparisons.photos.features[name] for name in names], axis=1)
    mean, deviation = table[rows].mean(0), table[rows].std(0) + 1e-9
    table = (table - mean) / deviation
    probe, other = comparisons.pairs(rows)
    reached = comparisons.scores[probe, other] >= comparisons.threshold(rows, FMR_OF_THE_FIT)
    weight = 1 / comparisons.mated[probe].sum(1)
    weight /= weight.sum()

    def loss(b: np.ndarray) -> tuple[float, np.ndarray]:
        z = table[probe] @ b[1:] + b[0]
        residual = weight * (1 / (1 + np.exp(-z)) - reached)
        value = (weight * (np.logaddexp(0, z) - reached * z)).sum() + PENALTY * (b[1:] ** 2).sum()
        return value, np.r_[residual.sum(), table[probe].T @ residual + 2 * PENALTY * b[1:]]

    bounds = [(None, None)] + [(0, None)] * len(names)
    found = minimize(loss, np.r_[2.0, np.zeros(len(names))], jac=True, bounds=bounds, method="L-BFGS-B").x
    slopes = found[1:] / deviation
    chosen = {name: float(f"{slope:.6g}") for name, slope in zip(names, slopes, strict=True) if slope > 0}
    return QualityFit(offset=float(f"{found[0] - (slopes * mean).sum():.6g}"), **chosen)


def predict(photos: Photos, fitted: QualityFit) -> np.ndarray:
    """(N,) unified scores."""
    z = fitted.offset + sum(weight * photos.features[name] for name, weight in fitted.weights.items())
    return 100 / (1 + np.exp(-z))


def held_out(comparisons: Comparisons, names: Sequence[str], folds: int = FOLDS) -> np.ndarray:
    """(N,) unified scores, each from a fit on the people of the other folds."""
    photos, fold = comparisons.photos, comparisons.photos.fold(folds)
    scores = np.zeros(len(fold))
    for one in range(folds):
        scores[fold == one] = predict(photos, fit(comparisons, fold != one, names))[fold == one]
    return scores


def worth(comparisons: Comparisons, quality: np.ndarray, rows: np.ndarray, rate: float) -> dict[str, Any]:
    """Error versus discard of these photos at a false match rate, and what leaving out a tenth changes."""
    threshold = comparisons.threshold(np.ones(len(rows), bool), rate)
    probe, other = comparisons.pairs(rows)
    lower = np.minimum(quality[probe], quality[comparisons.good[other]])
    failed = comparisons.scores[probe, other] < threshold
    curve = error_versus_discard(failed, lower)
    at = [float(curve.error_rate[int(np.searchsorted(curve.discarded, share))]) for share in SHARES]
    told = {f"{share:.0%}": round(100 * at[SHARES.index(share)], 2) for share in TOLD}
    _, people = np.unique(comparisons.photos.people[probe], return_inverse=True)
    before, after, change = discarding(failed, lower, people)
    return {
        "comparisons": len(probe),
        "misses": int(failed.sum()),
        "fnmr_percent_after_leaving_out": told,
        "percent_before": before,
        "percent_after_10": after,
        "change_points": change,
        "curve": [round(value, 6) for value in at],
    }


def discarding(
    failed: np.ndarray, quality: np.ndarray, people: np.ndarray, draws: int = 1000
) -> tuple[list[float], list[float], list[float]]:
    """FNMR before and after leaving out the worst tenth, and the change: each with its 95 % interval, in percent.

    People are drawn with replacement; in each draw the worst tenth of its comparisons is left out. The fit stays.
    """
    order = np.argsort(quality, kind="stable")

    def rates(weights: np.ndarray) -> np.ndarray:
        weight = weights[order].astype(np.float64)
        total = weight.sum()
        kept = weight * (np.cumsum(weight) > DISCARDED * total)
        wrong = failed[order]
        before, after = (weight * wrong).sum() / total, (kept * wrong).sum() / kept.sum()
        return np.array([before, after, after - before])

    low, high = subject_bootstrap(people, people, rates, draws=draws)
    middle = rates(np.ones(len(failed), np.int64))
    rows = np.stack([middle, low, high], axis=1) * 100
    first, second, third = (row.round(2).tolist() for row in rows)
    return first, second, third
