"""pipeline.calibration.tail: rates that cannot be counted, where the true answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calibration.bounds import false_positive_rate, match_rate
from pipeline.calibration.comparisons import NonMated
from pipeline.calibration.tail import (
    Tail,
    counted_threshold,
    extreme_rate,
    growth_threshold,
    per_comparison,
    per_gallery,
    threshold_for_gallery,
)

SPREAD = 0.02


def exponential(people: int, seed: int = 0) -> NonMated:
    """Independent scores with an exponential tail: P(s > t) = exp(-t / SPREAD)."""
    rng = np.random.default_rng(seed)
    a, b = np.triu_indices(people, 1)
    scores = rng.exponential(SPREAD, len(a))
    a, b, scores = np.concatenate([a, b]), np.concatenate([b, a]), np.tile(scores, 2)
    order = np.argsort(-scores, kind="stable")
    rows = [rows[order].astype(np.int32) for rows in (a, a, b)]
    owners = np.arange(people, dtype=np.int32)
    return NonMated(scores[order], np.ones(len(order)), *rows, owners, people, float(len(order)))


@given(st.floats(1e-6, 0.5), st.integers(1, 10**6))
def test_a_gallery_of_chances(rate: float, size: int) -> None:
    assert per_gallery(per_comparison(rate, size), size) == pytest.approx(rate, rel=1e-9)
    assert per_comparison(rate, size) <= rate
    assert per_comparison(rate, 1) == pytest.approx(rate)


@given(st.integers(0, 50), st.sampled_from([1e-3, 0.01, 0.05, 0.3, 1.0]))
def test_the_counted_threshold_is_the_lowest_that_keeps_the_rate(seed: int, rate: float) -> None:
    found = exponential(12, seed)
    threshold = counted_threshold(found, rate)
    assert match_rate(found, threshold).value <= rate + 1e-12
    below = found.scores[found.scores < threshold]
    if len(below):
        assert match_rate(found, float(below[0])).value > rate


def test_ties_are_matched_together_or_not_at_all() -> None:
    whole = exponential(12)
    tied = NonMated(
        np.round(whole.scores, 2), whole.weights, whole.probe, whole.a, whole.b, whole.owners, 12, whole.pairs
    )
    for rate in (0.01, 0.05, 0.2):
        assert match_rate(tied, counted_threshold(tied, rate)).value <= rate


def test_an_exponential_tail_is_found_again() -> None:
    found = exponential(300)
    tail = Tail.of(found)
    assert tail.mean_excess == pytest.approx(SPREAD, rel=0.15)
    for rate in (1e-4, 1e-5, 1e-6):
        true = -SPREAD * np.log(rate)
        assert tail.threshold(rate) == pytest.approx(true, rel=0.1)
        assert tail.rate(tail.threshold(rate)) == pytest.approx(rate)
        bound = extreme_rate(found, true)
        assert bound.upper > rate
        assert bound.value == pytest.approx(rate, rel=0.8)


def test_within_the_data_the_rate_is_counted() -> None:
    found = exponential(100)
    threshold = float(found.scores[600])
    assert extreme_rate(found, threshold) == match_rate(found, threshold)


def test_a_tail_of_one_person_is_bounded_by_what_was_counted() -> None:
    whole = exponential(30)
    high = np.where((whole.a == 0) | (whole.b == 0), whole.scores + 0.5, whole.scores - 5)
    order = np.argsort(-high, kind="stable")
    rows = [rows[order] for rows in (whole.probe, whole.a, whole.b)]
    found = NonMated(high[order], whole.weights, *rows, whole.owners, 30, whole.pairs)
    rate = extreme_rate(found, 0.9)
    assert 0 <= rate.value <= rate.upper <= 1
    assert np.isfinite(rate.upper)
    assert rate.upper >= Tail.of(found).share


@pytest.mark.parametrize("size", [5, 20, 60])
def test_the_threshold_of_a_gallery_keeps_its_rate(size: int) -> None:
    found = exponential(100)
    threshold = threshold_for_gallery(found, 0.1, size)
    assert false_positive_rate(found, threshold, size) <= 0.1
    assert false_positive_rate(found, threshold - 1e-3, size) > 0.1


def test_the_threshold_grows_with_the_logarithm_of_the_gallery() -> None:
    found = exponential(300)
    for size in (1000, 10_000):
        true = -SPREAD * np.log(per_comparison(0.05, size))
        assert growth_threshold(found, 0.05, size) == pytest.approx(true, rel=0.1)
    assert growth_threshold(found, 0.05, 10_000, 40) > growth_threshold(found, 0.05, 100, 40)
    with pytest.raises(ValueError, match="two gallery sizes"):
        growth_threshold(found, 0.05, 100, 2)
