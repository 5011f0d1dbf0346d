"""Intervals of a rate from independent trials."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np


def rule_of_three(trials: int) -> float:
    """Upper end of the 95 % interval of a rate when no error was seen: 3/N (Hanley and Lippman-Hand 1983)."""
    return min(1.0, 3 / trials) if trials else 1.0


def wilson_interval(errors: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a rate (Wilson 1927); for no errors the upper end of the 95 % one is the rule of three.

    Args:
        errors: How many were seen.
        trials: Of how many.
        confidence: Of the two-sided interval.
    """
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate, z2 = errors / trials, z**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = z / (1 + z2 / trials) * np.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    low, high = max(0.0, float(centre - half)), min(1.0, float(centre + half))
    if errors == 0:
        return 0.0, rule_of_three(trials) if confidence == 0.95 else high
    return low, 1.0 if errors == trials else high


def clopper_pearson_interval(errors: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a rate that never covers less than it promises (Clopper and Pearson 1934).

    The upper end of a two-sided 90 % interval is a one-sided 95 % bound.

    Args:
        errors: How many were seen.
        trials: Of how many.
        confidence: Of the two-sided interval.
    """
    if trials == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if errors == 0 else 1.0 - _upper(trials - errors, trials, tail)
    high = 1.0 if errors == trials else _upper(errors, trials, tail)
    return low, high


def _upper(errors: int, trials: int, tail: float) -> float:
    """The rate at which `errors` or fewer of `trials` have the probability `tail`: bisection of the binomial sum."""
    i = np.arange(1, errors + 1, dtype=np.float64)
    log_choose = np.concatenate([[0.0], np.cumsum(np.log((trials - i + 1) / i))])
    k = np.arange(errors + 1)
    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        terms = log_choose + k * np.log(middle) + (trials - k) * np.log1p(-middle)
        peak = terms.max()
        if peak + np.log(np.exp(terms - peak).sum()) > np.log(tail):
            low = middle
        else:
            high = middle
    return high
