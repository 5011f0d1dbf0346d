"""Curves, ranks in a gallery, and error versus discard, against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics
from metric_samples import SETS, random_sets, share

from pipeline.metrics import (
    ScoreSweep,
    area_under_roc,
    cmc,
    error_curve,
    error_versus_discard,
    failures_as_errors,
    fnir,
    fnir_at_fpir,
    fpir,
    identification_curve,
    match_rate,
    mate_ranks,
    tar_at_fmr,
    threshold_at_fpir,
)

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
