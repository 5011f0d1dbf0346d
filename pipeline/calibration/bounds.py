"""How often strangers match at a threshold, and how sure that is when comparisons share people.

S people give S(S-1)/2 comparisons that are not independent: whoever looks like many others makes many errors at once.
The variance is therefore that of leaving one person out at a time (the jackknife of a U-statistic, Arvesen 1969; it
errs on the large side, Efron and Stein 1981). The bound is Wilson's (1927) for as many independent comparisons as would
have that variance (an effective sample size, Korn and Graubard 1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.calibration.comparisons import Mated, NonMated
from pipeline.types import F64

Z = 1.959963984540054
"""Of the two-sided 95 % interval, whose upper end is stated."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A measured rate.

    Attributes:
        value: The estimate, in [0, 1].
        upper: Upper end of its 95 % interval.
    """

    value: float
    upper: float


def wilson_upper(rate: float, trials: float) -> float:
    """Upper end of the 95 % interval of a rate seen in so many (effective) trials; for none seen, about 3.8/trials."""
    if trials <= 0:
        return 1.0
    z2 = Z * Z
    centre = rate + z2 / (2 * trials)
    half = Z * np.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials * trials))
    return float(min(1.0, (centre + half) / (1 + z2 / trials)))


def match_rate(comparisons: NonMated, threshold: float) -> Rate:
    """Share of pairs of different subjects whose score reaches the threshold."""
    hit = comparisons.above(threshold)
    weights = comparisons.weights[hit]
    rate = min(1.0, float(weights.sum()) / comparisons.pairs)
    left_out = without_each(comparisons, hit, weights)
    variance = jackknife_variance(left_out)
    trials = comparisons.subjects * (comparisons.subjects - 1) / 2
    if variance > 0:
        trials = min(trials, rate * (1 - rate) / variance)
    return Rate(rate, wilson_upper(rate, trials))


def without_each(comparisons: NonMated, rows: slice, values: F64) -> F64:
    """(S,) the mean of `values` over all pairs when each subject in turn is left out.

    Args:
        comparisons: All of them.
        rows: Where `values` stand; it is 0 elsewhere.
        values: One per comparison of `rows`, its weight included.
    """
    s = comparisons.subjects
    a, b = comparisons.a[rows], comparisons.b[rows]
    own = np.bincount(a, values, s) + np.bincount(b, values, s)
    rest: F64 = (values.sum() - own) / (comparisons.pairs * (s - 2) / s)
    return rest


def jackknife_variance(left_out: F64) -> float:
    """Variance of an estimate from its values with one subject left out at a time."""
    s = len(left_out)
    return float((s - 1) / s * np.sum((left_out - left_out.mean()) ** 2))


def miss_rate(mated: Mated, threshold: float, *, ranked: bool = False) -> float:
    """Share of the subjects' comparisons that are missed; NaN where there are none.

    Args:
        mated: Comparisons of one subject.
        threshold: Scores below it are misses.
        ranked: A comparison is also missed where somebody else scores higher.
    """
    if not len(mated.scores):
        return float("nan")
    missed = mated.scores < threshold
    if ranked:
        missed |= mated.best_other > mated.scores
    return float(np.sum(mated.weights * missed) / mated.weights.sum())


def false_positive_rate(search: NonMated, threshold: float, size: int) -> float:
    """Share of strangers who match somebody in a gallery of `size` subjects drawn by chance (FPIR).

    For a probe that matches m of the M other subjects the chance that a gallery of n holds none of those is
    C(M-m, n) / C(M, n): the mean over all galleries, without drawing any.

    Args:
        search: Photo against subject.
        threshold: From which score on it is a match.
        size: n, at most S-1.
    """
    hit = search.above(threshold)
    others = search.subjects - 1
    matched = np.bincount(search.probe[hit], minlength=len(search.owners))
    chance = np.zeros(int(matched.max(initial=0)) + 1)
    stays = 1.0
    for m in range(1, len(chance)):
        stays *= max(0.0, others - size - m + 1) / (others - m + 1)
        chance[m] = 1 - stays
    photos = np.bincount(search.owners, minlength=search.subjects)
    return float(np.sum(chance[matched] / photos[search.owners]) / search.subjects)
