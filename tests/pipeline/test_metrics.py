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

from pipeline.metrics import (
    ScoreSweep,
    area_under_roc,
    best_accuracy_threshold,
    clopper_pearson_interval,
    cmc,
    equal_error_rate,
    error_curve,
    error_versus_discard,
    failures_as_errors,
    fnir,
    fnir_at_fpir,
    fpir,
    identification_curve,
    k_fold_accuracy,
    match_rate,
    mate_ranks,
    rule_of_three,
    subject_bootstrap,
    tar_at_fmr,
    threshold_at_fmr,
    threshold_at_fpir,
    wilson_interval,
)

SETS = 1000


def random_sets(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Mated and non-mated scores; on a coarse grid, so that ties abound, in four sets of five."""
    rng = np.random.default_rng(seed)
    sets = []
    for _ in range(SETS):
        mated = rng.normal(rng.uniform(0, 0.8), 0.2, rng.integers(1, 30))
        non_mated = rng.normal(0.1, 0.2, rng.integers(1, 60))
        digits = int(rng.integers(1, 6))
        sets.append((mated.round(digits), non_mated.round(digits)))
    return sets


def share(scores: np.ndarray, threshold: float) -> float:
    return sum(1 for s in scores if s >= threshold) / len(scores)


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


# --- curves ----------------------------------------------------------------------------------------------------------


def with_failures(rng: np.random.Generator, scores: np.ndarray) -> np.ndarray:
    """Some of the scores lost, as -inf."""
    return np.where(rng.random(len(scores)) < 0.05, -np.inf, scores)


def test_the_curve_is_the_definition_at_every_threshold() -> None:
    rng = np.random.default_rng(11)
    for same, different in random_sets(11):
        mated, non_mated = with_failures(rng, same), with_failures(rng, different)
        curve = error_curve(mated, non_mated)
        assert list(curve.thresholds) == [*sorted({s for s in (*mated, *non_mated) if s > -math.inf}), math.inf]
        assert list(curve.matched) == [sum(1 for s in non_mated if s >= t) for t in curve.thresholds]
        assert list(curve.missed) == [sum(1 for s in mated if s < t) for t in curve.thresholds]
        assert (curve.mated, curve.non_mated) == (len(mated), len(non_mated))


def test_weights_are_repetitions() -> None:
    rng = np.random.default_rng(12)
    for mated, non_mated in random_sets(12):
        scores = np.r_[mated, non_mated]
        labels = np.arange(len(scores)) < len(mated)
        times = rng.integers(0, 4, len(scores))
        weighted = ScoreSweep(scores, labels).curve(times)
        repeated = error_curve(np.repeat(mated, times[labels]), np.repeat(non_mated, times[~labels]))
        assert (weighted.mated, weighted.non_mated) == (repeated.mated, repeated.non_mated)
        rows = np.isin(weighted.thresholds, repeated.thresholds)
        assert list(weighted.matched[rows]) == list(repeated.matched)
        assert list(weighted.missed[rows]) == list(repeated.missed)
        if repeated.mated and repeated.non_mated:
            assert weighted.equal_error_rate() == pytest.approx(repeated.equal_error_rate(), abs=1e-12)


def test_the_curve_and_the_area_are_scikit_learns() -> None:
    for mated, non_mated in random_sets(13):
        labels = np.r_[np.ones(len(mated)), np.zeros(len(non_mated))]
        scores = np.r_[mated, non_mated]
        curve = error_curve(mated, non_mated)
        fpr, tpr, thresholds = sklearn.metrics.roc_curve(labels, scores, drop_intermediate=False)
        np.testing.assert_array_equal(curve.thresholds[::-1], thresholds)
        np.testing.assert_allclose(curve.fmr[::-1], fpr, atol=1e-12)
        np.testing.assert_allclose(1 - curve.fnmr[::-1], tpr, atol=1e-12)
        assert area_under_roc(mated, non_mated) == pytest.approx(sklearn.metrics.auc(fpr, tpr), abs=1e-12)
        fmr, fnmr, at = sklearn.metrics.det_curve(labels, scores)
        rows = np.searchsorted(curve.thresholds, at)
        np.testing.assert_allclose(curve.fmr[rows], fmr, atol=1e-12)
        np.testing.assert_allclose(curve.fnmr[rows], fnmr, atol=1e-12)


def test_the_area_is_the_chance_of_a_right_order() -> None:
    for mated, non_mated in random_sets(14):
        right = sum((m > n) + (m == n) / 2 for m in mated for n in non_mated)
        assert area_under_roc(mated, non_mated) == pytest.approx(right / (len(mated) * len(non_mated)))
    assert math.isnan(area_under_roc(np.array([]), np.array([0.1])))


def test_tar_at_fmr_is_the_definition() -> None:
    for mated, non_mated in random_sets(15):
        for fmr in (0.03, 0.1, 0.5, 1.0):
            if fmr * len(non_mated) < 1:
                with pytest.raises(ValueError, match="takes at least"):
                    tar_at_fmr(mated, non_mated, fmr)
                continue
            allowed = [t for t in (*mated, *non_mated, math.inf) if share(non_mated, t) <= fmr + 1e-12]
            assert tar_at_fmr(mated, non_mated, fmr) == pytest.approx(share(mated, min(allowed)))


def test_what_is_no_number_is_refused_and_failures_are_errors() -> None:
    with pytest.raises(ValueError, match="failures_as_errors"):
        ScoreSweep(np.array([0.1, math.nan]), np.array([True, False]))
    with pytest.raises(ValueError, match="one length"):
        ScoreSweep(np.array([0.1, 0.2]), np.array([True]))
    scores = failures_as_errors(np.array([0.9, math.nan]))
    assert list(scores) == [0.9, -math.inf]
    assert match_rate(scores, -math.inf) == 0.5, "a failure does not match, whatever the threshold"
    curve = error_curve(scores, scores)
    assert (curve.fmr.max(), curve.fnmr.min()) == (0.5, 0.5)
    empty = error_curve(np.array([]), np.array([]))
    assert math.isnan(empty.equal_error_rate())
    assert list(empty.thresholds) == [math.inf]


# --- 1:N -------------------------------------------------------------------------------------------------------------


def random_searches(seed: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Scores (P, S) of mated probes, their mates, and scores (Q, S) of the others; with ties and failures."""
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(SETS):
        p, q, s = rng.integers(1, 8), rng.integers(1, 12), rng.integers(1, 6)
        digits = int(rng.integers(1, 3))
        mates = rng.integers(0, s, p)
        scores = rng.normal(0.1, 0.2, (p, s))
        scores[np.arange(p), mates] += 0.3
        scores, others = scores.round(digits), rng.normal(0.1, 0.2, (q, s)).round(digits)
        scores[rng.random(p) < 0.1] = -np.inf
        others[rng.random(q) < 0.1] = -np.inf
        if rng.random() < 0.2:
            scores[:, 0] = others[:, 0] = -np.inf
        result.append((scores, mates, others))
    return result


def test_ranks_and_cmc_are_the_definition() -> None:
    for scores, mates, _ in random_searches(21):
        own, ranks = mate_ranks(scores, mates)
        slow = []
        for row, mate in zip(scores, mates, strict=True):
            better = sum(1 for column, s in enumerate(row) if column != mate and s >= row[mate])
            slow.append(scores.shape[1] + 1 if row[mate] == -math.inf else 1 + better)
        assert list(ranks) == slow
        assert list(own) == [row[mate] for row, mate in zip(scores, mates, strict=True)]
        depth = scores.shape[1] + 2
        curve = cmc(ranks, scores.shape[1])
        assert list(curve) == [sum(1 for r in slow if r <= k) / len(slow) for k in range(1, depth - 1)]
    assert np.isnan(cmc(np.array([], np.int64), 3)).all()


def test_fnir_at_fpir_is_the_definition() -> None:
    for scores, mates, others in random_searches(22):
        own, ranks = mate_ranks(scores, mates)
        tops = others.max(axis=1)
        for rank in (1, 2):
            curve = identification_curve(own, ranks, tops, rank)
            for row, threshold in enumerate(curve.thresholds):
                missed = sum(1 for s, r in zip(own, ranks, strict=True) if not (r <= rank and s >= threshold))
                named = sum(1 for top in tops if top >= threshold and top > -math.inf)
                assert curve.fnmr[row] == fnir(own, ranks, threshold, rank) == missed / len(own)
                assert curve.fmr[row] == fpir(tops, threshold) == named / len(tops)
            for rate in (0.1, 0.4):
                if rate * len(tops) < 1:
                    with pytest.raises(ValueError, match="non-mated probes"):
                        fnir_at_fpir(own, ranks, tops, rate, rank)
                    continue
                least = min(
                    fnir(own, ranks, t, rank)
                    for t in (*own, *tops, math.inf)
                    if t > -math.inf and fpir(tops, t) <= rate + 1e-12
                )
                assert fnir_at_fpir(own, ranks, tops, rate, rank) == pytest.approx(least)
                assert fpir(tops, threshold_at_fpir(tops, rate)) <= rate + 1e-12


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


# --- error versus discard --------------------------------------------------------------------------------------------


def test_error_versus_discard_is_the_definition() -> None:
    rng = np.random.default_rng(41)
    for _ in range(SETS):
        n = int(rng.integers(1, 25))
        quality, errors = rng.random(n).round(1), rng.random(n) < 0.3
        curve = error_versus_discard(errors, quality)
        assert list(curve.levels) == sorted(set(quality))
        for level, discarded, rate in zip(curve.levels, curve.discarded, curve.error_rate, strict=True):
            kept = [bool(e) for e, q in zip(errors, quality, strict=True) if q >= level]
            assert rate == pytest.approx(sum(kept) / len(kept))
            assert discarded == pytest.approx(1 - len(kept) / n)
    unknown = error_versus_discard(np.array([True, False]), np.array([math.nan, 0.5]))
    assert list(unknown.error_rate) == [0.5, 0.0], "a quality that is not known goes first"


# --- folds that the protocol names -----------------------------------------------------------------------------------


def test_given_folds_are_used() -> None:
    mated = np.array([True, False] * 20)
    scores = np.where(mated, 0.8, 0.2)
    fold_of = np.where(np.arange(40) % 4 < 2, 7, 3)
    shifted = np.where(fold_of == 7, scores + 2, scores)
    result = k_fold_accuracy(shifted, mated, np.zeros(40, bool), fold_of=fold_of)
    assert result.mean == pytest.approx(0.5), "each fold's threshold fits the other one only"
    assert result.thresholds == pytest.approx([2.5, 0.5]), "folds in ascending order"
