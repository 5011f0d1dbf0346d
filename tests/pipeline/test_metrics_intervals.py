"""Intervals of rates: the exact one and the bootstrap by subject."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics import (
    clopper_pearson_interval,
    rule_of_three,
    subject_bootstrap,
    wilson_interval,
)

# --- intervals -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 5000), st.sampled_from([0.9, 0.95, 0.99]), st.data())
def test_the_exact_interval_is_scipys(trials: int, confidence: float, data: st.DataObject) -> None:
    errors = data.draw(st.integers(0, trials))
    expected = scipy.stats.binomtest(errors, trials).proportion_ci(confidence, method="exact")
    found = clopper_pearson_interval(errors, trials, confidence)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)
    wilson = scipy.stats.binomtest(errors, trials).proportion_ci(confidence, method="wilson")
    if errors or confidence != 0.95:
        assert wilson_interval(errors, trials, confidence) == pytest.approx((wilson.low, wilson.high), abs=1e-9)


def test_the_rule_of_three() -> None:
    assert rule_of_three(1000) == 0.003
    assert rule_of_three(2) == rule_of_three(0) == 1
    assert rule_of_three(1000) == pytest.approx(clopper_pearson_interval(0, 1000, 0.9)[1], rel=5e-3), "one-sided"
    assert clopper_pearson_interval(0, 0) == (0, 1)


def weighted_rate(weights: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    return np.array([(weights * wrong).sum() / weights.sum() if weights.sum() else math.nan])


def slow_bootstrap(a: np.ndarray, b: np.ndarray, wrong: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Error rates of draws of subjects, the comparisons written out one by one."""
    rng = np.random.default_rng(seed)
    count = int(max(a.max(), b.max())) + 1
    rates = []
    for _ in range(draws):
        people = list(rng.integers(0, count, count))
        errors: list[bool] = []
        for one, other, bad in zip(a, b, wrong, strict=True):
            copies = people.count(one) if one == other else people.count(one) * people.count(other)
            errors += [bool(bad)] * copies
        rates.append(np.mean(errors) if errors else math.nan)
    return np.array(rates)


def test_the_bootstrap_resamples_subjects() -> None:
    rng = np.random.default_rng(31)
    for seed in range(10):
        a, b = rng.integers(0, 8, 30), rng.integers(0, 8, 30)
        wrong = rng.random(30) < 0.3
        found = subject_bootstrap(a, b, lambda w, bad=wrong: weighted_rate(w, bad), draws=60, seed=seed)
        slow = slow_bootstrap(a, b, wrong, 60, seed)
        np.testing.assert_allclose(found[:, 0], np.nanquantile(slow, [0.025, 0.975]))


def test_the_bootstrap_covers_where_pairs_share_people() -> None:
    """A world in which every subject has a rate of its own: the interval from pairs alone is far too narrow."""
    rng = np.random.default_rng(32)
    covered = covered_by_pairs = 0
    for run in range(100):
        people = np.repeat(np.arange(60), 10)
        wrong = rng.random(600) < rng.beta(0.1, 0.9, 60)[people]
        low, high = subject_bootstrap(people, people, lambda w, bad=wrong: weighted_rate(w, bad), draws=200, seed=run)[
            :, 0
        ]
        covered += low <= 0.1 <= high
        low, high = wilson_interval(int(wrong.sum()), 600)
        covered_by_pairs += low <= 0.1 <= high
    assert covered >= 86
    assert covered_by_pairs < 75


def test_a_statistic_that_no_draw_defines_has_no_interval() -> None:
    nobody = np.array([0, 0])
    ends = subject_bootstrap(nobody, nobody, lambda _: np.array([math.nan, 1.0]), draws=5)
    assert np.isnan(ends[:, 0]).all()
    assert list(ends[:, 1]) == [1, 1]
