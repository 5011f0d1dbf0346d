"""pipeline.calibration.likelihood against scikit-learn, and what it promises: monotone, finite, not beyond the data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from pipeline.calibration.comparisons import Mated, NonMated
from pipeline.calibration.likelihood import PRIOR, cllr, fit_likelihood, logistic
from pipeline.errors import CalibrationError
from pipeline.types import LikelihoodRatio


def comparisons(same: np.ndarray, different: np.ndarray, pairs: float | None = None) -> tuple[Mated, NonMated]:
    rows, none = np.arange(len(same), dtype=np.int32), np.full(len(same), -np.inf)
    others = -np.sort(-np.asarray(different, float))
    zeros = np.zeros(len(others), np.int32)
    mated = Mated(np.asarray(same, float), np.ones(len(same)), rows, none)
    return mated, NonMated(others, np.ones(len(others)), zeros, zeros, zeros, zeros, 1, pairs or len(others))


@pytest.mark.parametrize("seed", range(4))
def test_the_fit_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    same, different = rng.normal(0.6, 0.15, 60), rng.normal(0.05, 0.12, 700)
    weights = rng.uniform(0.2, 1, 60), rng.uniform(0.2, 1, 700)
    slope, offset = logistic(same, weights[0], 60, different, weights[1], 700)
    high, low = 61 / 62, 1 / 702
    x = np.concatenate([same, same, different, different])[:, None]
    y = np.repeat([1, 0, 1, 0], [60, 60, 700, 700])
    one, other = PRIOR * weights[0] / weights[0].sum(), (1 - PRIOR) * weights[1] / weights[1].sum()
    w = np.concatenate([one * high, one * (1 - high), other * low, other * (1 - low)])
    oracle = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    oracle.fit(x, y, sample_weight=w)
    assert slope == pytest.approx(oracle.coef_[0, 0], rel=1e-4)
    assert offset == pytest.approx(oracle.intercept_[0] - np.log(PRIOR / (1 - PRIOR)), rel=1e-4)


def test_normal_scores_give_nearly_the_true_ratios() -> None:
    rng = np.random.default_rng(3)
    same, different = rng.normal(0.5, 0.1, 4000), rng.normal(0.0, 0.1, 400_000)
    found = fit_likelihood(*comparisons(same, different))
    # log of the two densities' ratio: (s² - (s - 0.5)²) / (2 · 0.01) = 50 s - 12.5
    assert found.slope == pytest.approx(50, rel=0.05)
    assert found.offset == pytest.approx(-12.5, rel=0.05)
    assert cllr(found, *comparisons(same, different)) < 0.06


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(4, 40), st.integers(30, 300), st.floats(0.2, 1.0))
def test_it_is_monotone_finite_and_within_what_the_data_support(seed: int, people: int, pairs: int, gap: float) -> None:
    rng = np.random.default_rng(seed)
    same, different = rng.normal(gap, 0.05, people), rng.normal(0, 0.05, pairs)
    found = fit_likelihood(*comparisons(same, different))
    ratios = found.log_ratios(np.linspace(-1, 1, 201))
    assert np.all(np.isfinite(ratios))
    assert np.all(np.diff(ratios) >= 0)
    assert ratios.max() <= np.log(pairs / 3) + 1e-9
    assert ratios.min() >= np.log(3 / people) - 1e-9


def test_what_cannot_be_learned_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(CalibrationError, match=r"3 people with two usable photos"):
        fit_likelihood(*comparisons(np.array([0.5, 0.6, 0.7, -np.inf]), rng.normal(0, 0.1, 100)))
    with pytest.raises(CalibrationError, match="sorted wrongly"):
        fit_likelihood(*comparisons(rng.normal(-0.5, 0.1, 30), rng.normal(0.5, 0.1, 300)))


def test_cllr_by_hand() -> None:
    one = LikelihoodRatio(1e-9, 0.0, -1.0, 1.0)
    mated, non_mated = comparisons(np.array([0.5, 0.5]), np.array([0.1]))
    assert cllr(one, mated, non_mated) == pytest.approx(1.0), "a ratio of 1 says nothing"
    sure = LikelihoodRatio(2.0, 0.0, -9.0, 9.0)
    expected = 0.5 * (np.log2(1 + np.exp(-1.0)) + np.log2(1 + np.exp(0.2)))
    assert cllr(sure, mated, non_mated) == pytest.approx(expected)
    failed = Mated(np.array([0.5, -np.inf]), np.ones(2), np.arange(2, dtype=np.int32), np.zeros(2))
    assert cllr(sure, failed, non_mated) == pytest.approx(expected)
