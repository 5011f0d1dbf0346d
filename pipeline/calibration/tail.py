"""Thresholds for rates that are too small to be counted: how the scores of strangers thin out, and how galleries grow.

A gallery of N holds N chances of a false match. If strangers match with probability p, at most 1 - (1-p)^N of them
match somebody: equally where people are alike, less where the matches crowd on a few of them (Jensen), so it is a bound
in every case. For a large gallery p is too small to be counted and has to be continued from the scores there are:

- *extreme value*: beyond a high score u the excess is exponential, P(s > t) = P(s > u) exp(-(t-u)/b), the Gumbel case
  of the peaks-over-threshold model (Pickands 1975; Davison and Smith 1990). Where the true tail is lighter, as a normal
  one is, this errs on the safe side. The third parameter of the generalised Pareto distribution is not fitted: from so
  few scores the rate at its threshold is off by a factor of twenty one time in ten (docs/calibration.md).
- *growth*: the threshold that keeps the wanted rate is measured for galleries of growing size and continued as a
  straight line in log N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.calibration.bounds import Rate, Z, false_positive_rate, jackknife_variance, match_rate, without_each
from pipeline.calibration.comparisons import NonMated

Method = Literal["counted", "extreme value", "growth"]
TAIL_PAIRS, TAIL_SHARE = 150.0, 0.1
"""Pairs of subjects above u: so many, but no more than this share of all."""
SMALLEST_TAIL = 150.0
"""Pairs of subjects, all together, from which on a tail is fitted."""
_STEPS = 24


def per_comparison(fpir: float, size: int) -> float:
    """The match probability p of one comparison with 1 - (1-p)^size = fpir."""
    return float(-np.expm1(np.log1p(-fpir) / size))


def per_gallery(rate: float, size: int) -> float:
    """1 - (1-rate)^size."""
    return float(-np.expm1(size * np.log1p(-min(rate, 1 - 1e-16))))


def counted_threshold(comparisons: NonMated, rate: float) -> float:
    """The lowest threshold at which at most a share `rate` of the pairs match."""
    reached = np.cumsum(comparisons.weights)
    allowed = int(np.searchsorted(reached, rate * comparisons.pairs * (1 + 1e-12), side="right"))
    if allowed >= len(comparisons.scores):
        return -1.0
    first_refused = comparisons.scores[allowed]
    return float(np.nextafter(first_refused, np.inf))


@dataclass(frozen=True, slots=True)
class Tail:
    """The exponential tail of the scores of strangers.

    Attributes:
        start: u, the score at which it begins.
        share: Share of the pairs above u.
        mean_excess: b, mean of score - u above u.
    """

    start: float
    share: float
    mean_excess: float

    @classmethod
    def of(cls, comparisons: NonMated, share: float | None = None) -> Tail:
        """The tail of the highest `share` of the pairs; by default of `tail_pairs`."""
        start = counted_threshold(comparisons, share or tail_pairs(comparisons) / comparisons.pairs)
        hit = comparisons.above(start)
        weights = comparisons.weights[hit]
        excess = float(np.sum(weights * (comparisons.scores[hit] - start)) / weights.sum())
        return cls(start, float(weights.sum()) / comparisons.pairs, max(excess, 1e-6))

    def threshold(self, rate: float) -> float:
        """Where a share `rate` (below `share`) of the pairs match."""
        return min(1.0, self.start + self.mean_excess * float(np.log(self.share / rate)))

    def rate(self, threshold: float) -> float:
        """Share of the pairs that match at a threshold above u."""
        return self.share * float(np.exp(-(threshold - self.start) / self.mean_excess))


def tail_pairs(comparisons: NonMated) -> float:
    """How many pairs of subjects stand above u."""
    return min(TAIL_PAIRS, TAIL_SHARE * comparisons.pairs)


def measurable(search: NonMated, fpir: float) -> int:
    """The largest gallery size whose FPIR rests on ten pairs of subjects or more."""
    return int(min(search.subjects - 1, fpir * search.pairs / 10))


def extreme_rate(search: NonMated, threshold: float) -> Rate:
    """The match probability of one comparison at a threshold, with its bound: counted where it can be, or continued."""
    counted = match_rate(search, threshold)
    tail = Tail.of(search)
    if threshold <= tail.start:
        return counted
    hit = search.above(tail.start)
    weights = search.weights[hit]
    excess = weights * (search.scores[hit] - tail.start)
    shares, excesses = without_each(search, hit, weights), without_each(search, hit, excess)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(shares) - (threshold - tail.start) * shares / excesses
    rate = tail.rate(threshold)
    if not np.all(np.isfinite(logs)):  # all scores of the tail are one person's
        return Rate(rate, max(counted.upper, tail.share))
    upper = rate * float(np.exp(Z * np.sqrt(jackknife_variance(logs))))
    return Rate(rate, min(1.0, upper))


def threshold_for_gallery(search: NonMated, fpir: float, size: int) -> float:
    """The threshold at which, counted over all galleries of `size` (at most S-1), a share `fpir` of strangers match."""
    low, high = float(search.scores[-1]) if len(search.scores) else -1.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if false_positive_rate(search, middle, size) > fpir:
            low = middle
        else:
            high = middle
    return high


def growth_threshold(search: NonMated, fpir: float, size: int, largest: int | None = None) -> float:
    """The threshold for a gallery of `size`, continued from those for smaller ones, measured up to `largest`.

    Sizes at which fewer than ten pairs of subjects would decide are left out; at least two must remain.

    Raises:
        ValueError: There are not two sizes to measure.
    """
    largest = min(largest or search.subjects, measurable(search, fpir))
    sizes = sorted({max(2, largest // 2**k) for k in range(5)} & set(range(2, largest + 1)))
    if len(sizes) < 2:
        raise ValueError("there are not two gallery sizes to measure the growth of the threshold with")
    thresholds = [threshold_for_gallery(search, fpir, n) for n in sizes]
    slope, at_one = np.polyfit(np.log(sizes), thresholds, 1)
    return float(min(1.0, at_one + slope * np.log(size)))
