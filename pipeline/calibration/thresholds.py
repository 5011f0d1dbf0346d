"""One threshold: from one half of the people, with the error rate that it has on the other half."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

from pipeline.calibration.bounds import Rate, false_positive_rate, match_rate
from pipeline.calibration.comparisons import NonMated
from pipeline.calibration.tail import (
    Method,
    Tail,
    counted_threshold,
    extreme_rate,
    growth_threshold,
    measurable,
    per_comparison,
    per_gallery,
    tail_pairs,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How both ways of continuing beyond the data did on people they had not seen.

    Attributes:
        wanted: The FPIR asked for.
        size: The gallery size it was tried at, and `from_size` the largest one that was looked at to get there.
        extreme, growth: FPIR on the other people at the threshold of each.
        kept: The one whose rate came closer.
    """

    wanted: float
    size: int
    from_size: int
    extreme: float
    growth: float
    kept: Method


def fit_verify(fit: NonMated, check: NonMated, rate: float) -> tuple[float, Rate]:
    """The threshold for an FMR from one half of the people, and the FMR it has on the other."""
    threshold = round_up(counted_threshold(fit, rate))
    return threshold, match_rate(check, threshold)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A threshold for a gallery, the FPIR it has on the other half, and how it was found."""

    threshold: float
    rate: Rate
    method: Method
    compared: Comparison | None


def fit_identify(fit: NonMated, check: NonMated, rate: float, size: int) -> Fitted:
    """The threshold for an FPIR in a gallery of `size` from one half of the people, and the FPIR on the other."""
    p = per_comparison(rate, size)
    method: Method = "counted"
    compared = None
    if p * fit.pairs >= tail_pairs(fit):
        raw = counted_threshold(fit, p)
    else:
        compared = compare_methods(fit, check, rate, size)
        method = compared.kept if compared else "extreme value"
        raw = growth_threshold(fit, rate, size) if method == "growth" else Tail.of(fit).threshold(p)
    threshold = round_up(raw)
    return Fitted(threshold, rate_in_gallery(check, threshold, size), method, compared)


def rate_in_gallery(search: NonMated, threshold: float, size: int) -> Rate:
    """Share of strangers who match somebody in a gallery of `size` (FPIR): counted where it can be, else continued."""
    bound = extreme_rate(search, threshold)
    value = per_gallery(bound.value, size)
    if size < search.subjects:
        value = false_positive_rate(search, threshold, size)
    return Rate(value, max(value, per_gallery(bound.upper, size)))


def compare_methods(fit: NonMated, check: NonMated, rate: float, size: int) -> Comparison | None:
    """Tries both ways of continuing on people that were not fitted, over the same distance; None if that is too far.

    The largest size that the other half can measure is predicted from galleries as much smaller than it as the wanted
    size is larger than what the fitted half can count.
    """
    largest = measurable(check, rate)
    reach = size / max(1.0, rate * fit.pairs / tail_pairs(fit))
    small = max(4, int(largest / reach))
    if largest < 2 * small or measurable(fit, rate) < small:
        return None
    extreme = Tail.of(fit, per_comparison(rate, small)).threshold(per_comparison(rate, largest))
    growth = growth_threshold(fit, rate, largest, small)
    got = [false_positive_rate(check, threshold, largest) for threshold in (extreme, growth)]
    off = [abs(log(max(value, rate / 100) / rate)) for value in got]
    return Comparison(rate, largest, small, got[0], got[1], "growth" if off[1] < off[0] else "extreme value")


def round_up(threshold: float) -> float:
    """To four places, never below: what is shown is what is used."""
    return min(1.0, ceil(threshold * 1e4 - 1e-9) / 1e4)
