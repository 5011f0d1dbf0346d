"""pipeline.metrics against slow definitions and scikit-learn, on a thousand random sets with ties."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from metric_samples import SETS, random_sets, share

from pipeline.metrics import (
    best_accuracy_threshold,
    equal_error_rate,
    k_fold_accuracy,
    match_rate,
    threshold_at_fmr,
    wilson_interval,
)


def test_the_threshold_never_exceeds_the_rate_and_is_the_lowest_that_does_not() -> None:
    for _, non_mated in random_sets(1):
        for fmr in {1 / len(non_mated), 0.1, 0.25, 0.5, 0.999, 1.0}:
            if fmr < 1 / len(non_mated):
                continue
            threshold = threshold_at_fmr(non_mated, fmr)
            assert share(non_mated, threshold) <= fmr + 1e-12
            if math.isfinite(threshold):
                assert share(non_mated, np.nextafter(threshold, -np.inf)) > fmr
            else:
                assert share(non_mated, -np.inf) <= fmr + 1e-12


def test_rates_that_are_whole_shares_are_not_lost_to_rounding() -> None:
    scores = np.arange(100) / 100
    for k in range(1, 100):
        assert match_rate(scores, threshold_at_fmr(scores, k / 100)) == pytest.approx(k / 100)


@pytest.mark.parametrize(("n", "fmr"), [(0, 0.5), (9, 0.1), (99, 0.01), (999, 1e-3), (1000, 9.9e-4)])
def test_a_rate_below_one_in_n_is_not_interpolated(n: int, fmr: float) -> None:
    with pytest.raises(ValueError, match=str(math.ceil(1 / fmr))):
        threshold_at_fmr(np.linspace(0, 1, n), fmr)


def test_tar_at_fmr_is_on_scikit_learns_roc_curve() -> None:
    for mated, non_mated in random_sets(2)[:300]:
        labels = np.r_[np.ones(len(mated)), np.zeros(len(non_mated))]
        fpr, tpr, _ = sklearn.metrics.roc_curve(labels, np.r_[mated, non_mated], drop_intermediate=False)
        for fmr in (0.1, 0.3):
            if fmr >= 1 / len(non_mated):
                tar = match_rate(mated, threshold_at_fmr(non_mated, fmr))
                assert tar == pytest.approx(max(tpr[fpr <= fmr + 1e-12]), abs=1e-12)


def slow_eer(mated: np.ndarray, non_mated: np.ndarray) -> float:
    """Of all thresholds that differ, the first where the two rates are closest: the mean of the two there."""
    best = None
    for threshold in [*sorted({*mated, *non_mated}), math.inf]:
        fmr = Fraction(sum(1 for s in non_mated if s >= threshold), len(non_mated))
        fnmr = Fraction(sum(1 for s in mated if s < threshold), len(mated))
        if best is None or abs(fmr - fnmr) < best[0]:
            best = (abs(fmr - fnmr), (fmr + fnmr) / 2)
    assert best is not None
    return float(best[1])


def test_the_equal_error_rate_is_the_definition() -> None:
    for mated, non_mated in random_sets(3):
        assert equal_error_rate(mated, non_mated) == pytest.approx(slow_eer(mated, non_mated), abs=1e-9)
    assert equal_error_rate(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 0
    assert equal_error_rate(np.array([0.1, 0.2]), np.array([0.9, 0.8])) == pytest.approx(1)
    assert equal_error_rate(np.array([0.5]), np.array([0.5])) == pytest.approx(0.5)


def test_failed_pairs_count_as_errors() -> None:
    mated, non_mated = np.array([0.9, 0.8, -np.inf, 0.7]), np.array([0.1, -np.inf, 0.2, 0.3])
    threshold = threshold_at_fmr(non_mated, 0.25)
    assert 0.2 < threshold <= 0.3
    assert match_rate(mated, threshold) == 0.75, "the failed one is missed"
    assert equal_error_rate(mated, non_mated) == 0.25, "a quarter can never be found"


def test_match_rate_of_nothing_is_not_a_number() -> None:
    assert math.isnan(match_rate(np.array([]), 0.5))
    assert match_rate(np.array([0.5, 0.4]), 0.5) == 0.5, "the threshold itself matches"


@given(st.integers(1, 5000), st.data())
def test_the_interval_is_wilsons(trials: int, data: st.DataObject) -> None:
    errors = data.draw(st.integers(0, trials))
    low, high = wilson_interval(errors, trials)
    assert 0 <= low <= errors / trials <= high <= 1
    if errors:
        expected = scipy.stats.binomtest(errors, trials).proportion_ci(method="wilson")
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    else:
        assert (low, high) == (0, min(1, 3 / trials)), "rule of three"


def test_the_interval_of_no_trials_is_everything() -> None:
    assert wilson_interval(0, 0) == (0, 1)


def accuracy(scores: np.ndarray, mated: np.ndarray, threshold: float) -> float:
    return sum(1 for s, m in zip(scores, mated, strict=True) if (s >= threshold) == m) / len(scores)


def test_no_threshold_is_more_accurate() -> None:
    for mated, non_mated in random_sets(4):
        scores = np.r_[mated, non_mated]
        labels = np.r_[np.ones(len(mated), bool), np.zeros(len(non_mated), bool)]
        threshold = best_accuracy_threshold(scores, labels)
        tried = [accuracy(scores, labels, t) for t in [*np.unique(scores), math.inf]]
        assert accuracy(scores, labels, threshold) == pytest.approx(max(tried), abs=1e-12)
        assert threshold not in scores, "halfway between scores"


def slow_k_fold(
    scores: np.ndarray, mated: np.ndarray, failed: np.ndarray, folds: int
) -> tuple[list[float], list[float]]:
    """The LFW protocol: fold k holds the k-th stretch of the mated and of the non-mated pairs. Rates and thresholds."""
    fold_of: dict[int, int] = {}
    for kind in (True, False):
        rows = [i for i in range(len(scores)) if mated[i] == kind]
        fold_of |= {i: place * folds // len(rows) for place, i in enumerate(rows)}
    rates, thresholds = [], []
    for k in range(folds):
        train = np.array([i for i in range(len(scores)) if fold_of[i] != k and not failed[i]])
        threshold = best_accuracy_threshold(scores[train], mated[train])
        test = [i for i in range(len(scores)) if fold_of[i] == k]
        rates.append(sum(not failed[i] and (scores[i] >= threshold) == mated[i] for i in test) / len(test))
        thresholds.append(threshold)
    return rates, thresholds


def test_k_fold_accuracy_is_the_protocol() -> None:
    rng = np.random.default_rng(6)
    for _ in range(SETS):
        n = int(rng.integers(20, 40))
        mated = np.arange(n) % 3 != 0
        scores = (rng.normal(0, 0.25, n) + mated * 0.5).round(2)
        failed = rng.random(n) < 0.1
        result = k_fold_accuracy(np.where(failed, -np.inf, scores), mated, failed, folds=5)
        rates, thresholds = slow_k_fold(scores, mated, failed, 5)
        assert result.mean == pytest.approx(np.mean(rates))
        assert result.std == pytest.approx(np.std(rates))
        assert result.thresholds == pytest.approx(thresholds)


def test_a_folds_threshold_comes_from_the_other_folds_only() -> None:
    """Ten pairs a fold; in the last one all scores are displaced, so a threshold fitted to it would be right there."""
    mated = np.array([True, False] * 50)
    scores = np.where(mated, 0.8, 0.2)
    last = np.arange(100) >= 90
    scores = np.where(last, scores + 2, scores)
    result = k_fold_accuracy(scores, mated, np.zeros(100, bool), folds=10)
    assert result.mean == pytest.approx((9 * 1.0 + 0.5) / 10)
    assert 0.2 < result.thresholds[9] <= 0.8


def test_a_failure_is_wrong_and_moves_no_threshold() -> None:
    mated = np.array([True, False] * 20)
    scores = np.where(mated, 0.8, 0.2)
    failed = np.zeros(40, bool)
    failed[[0, 1]] = True
    for value in (-np.inf, 0.9, np.nan):
        spoiled = np.where(failed, value, scores)
        result = k_fold_accuracy(spoiled, mated, failed, folds=10)
        assert result.mean == pytest.approx(38 / 40)
        assert result.thresholds == pytest.approx([0.5] * 10)


@pytest.mark.parametrize(("n_mated", "n_non_mated"), [(1, 1), (1, 9), (2, 2), (3, 20)])
def test_few_pairs_give_a_number_all_the_same(n_mated: int, n_non_mated: int) -> None:
    """Fewer pairs than folds: an empty fold is left out, and a threshold from nothing matches nothing."""
    mated = np.r_[np.ones(n_mated, bool), np.zeros(n_non_mated, bool)]
    result = k_fold_accuracy(np.where(mated, 0.9, 0.1), mated, np.zeros(len(mated), bool), folds=10)
    assert 0 <= result.mean <= 1
    assert math.isfinite(result.std)


def test_when_everything_failed_everything_is_wrong() -> None:
    mated = np.array([True, False] * 10)
    result = k_fold_accuracy(np.full(20, -np.inf), mated, np.ones(20, bool), folds=10)
    assert result.mean == 0


# --- folds that the protocol names -----------------------------------------------------------------------------------


def test_given_folds_are_used() -> None:
    mated = np.array([True, False] * 20)
    scores = np.where(mated, 0.8, 0.2)
    fold_of = np.where(np.arange(40) % 4 < 2, 7, 3)
    shifted = np.where(fold_of == 7, scores + 2, scores)
    result = k_fold_accuracy(shifted, mated, np.zeros(40, bool), fold_of=fold_of)
    assert result.mean == pytest.approx(0.5), "each fold's threshold fits the other one only"
    assert result.thresholds == pytest.approx([2.5, 0.5]), "folds in ascending order"
