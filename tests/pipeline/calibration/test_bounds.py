"""pipeline.calibration.bounds against doing it the long way round."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calibration.bounds import (
    false_positive_rate,
    jackknife_variance,
    match_rate,
    miss_rate,
    wilson_upper,
    without_each,
)
from pipeline.calibration.comparisons import Mated, compare_all
from pipeline.metrics import wilson_interval


def part(seed: int, people: int = 7):
    rng = np.random.default_rng(seed)
    owners = np.sort(np.concatenate([np.arange(people), rng.integers(0, people, 6)])).astype(np.int32)
    vectors = rng.normal(0, 1, (len(owners), 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, owners, compare_all(vectors, owners, np.ones(len(owners), np.bool_))


@given(st.integers(1, 500), st.data())
def test_the_bound_of_whole_trials_is_wilsons(trials: int, data: st.DataObject) -> None:
    errors = data.draw(st.integers(1, trials))
    expected = wilson_interval(errors, trials)[1]
    assert wilson_upper(errors / trials, trials) == pytest.approx(expected, abs=1e-9)


def test_a_bound_without_errors_or_trials() -> None:
    assert wilson_upper(0, 1000) == pytest.approx(3.84 / 1003.84, rel=1e-3)
    assert wilson_upper(0.5, 0) == 1.0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threshold", [-1.0, 0.2, 0.8, 2.0])
def test_the_rate_is_that_of_pairs_of_people(seed: int, threshold: float) -> None:
    vectors, owners, compared = part(seed)
    rates = []
    for i, j in combinations(range(owners.max() + 1), 2):
        scores = vectors[owners == i] @ vectors[owners == j].T
        rates.append(float((scores >= threshold).mean()))
    found = match_rate(compared.verify, threshold)
    assert found.value == pytest.approx(np.mean(rates))
    assert found.value <= found.upper <= 1


@pytest.mark.parametrize("seed", range(4))
def test_leaving_a_person_out_is_leaving_a_person_out(seed: int) -> None:
    vectors, owners, compared = part(seed)
    hit = compared.verify.above(0.3)
    found = without_each(compared.verify, hit, compared.verify.weights[hit])
    expected = []
    for gone in range(owners.max() + 1):
        keep = owners != gone
        rest = compare_all(vectors[keep], owners[keep], np.ones(keep.sum(), np.bool_))
        expected.append(match_rate(rest.verify, 0.3).value)
    assert found == pytest.approx(expected)
    s = len(expected)
    assert jackknife_variance(found) == pytest.approx((s - 1) ** 2 / s * np.var(expected, ddof=1))


def test_people_who_share_make_the_bound_wider() -> None:
    rng = np.random.default_rng(1)
    people = 200
    owners = np.arange(people, dtype=np.int32)
    plain = rng.normal(0, 1, (people, 64)).astype(np.float32)
    shared = plain.copy()
    shared[:6] += 2.2 * rng.normal(0, 1, 64).astype(np.float32)  # six people who look alike
    bounds = []
    for vectors in (plain, shared):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        compared = compare_all(unit, owners, np.ones(people, np.bool_)).verify
        threshold = float(compared.scores[30])  # thirty false matches in either case
        found = match_rate(compared, threshold)
        bounds.append(found.upper / found.value)
    assert bounds[1] > 1.1 * bounds[0]


@pytest.mark.parametrize("size", [1, 2, 4, 6])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9])
def test_fpir_is_the_mean_over_all_galleries(size: int, threshold: float) -> None:
    vectors, owners, compared = part(3)
    people = range(owners.max() + 1)
    first = {s: int(np.nonzero(owners == s)[0][0]) for s in people}
    rates = []
    for probe in people:
        others = [s for s in people if s != probe]
        per_photo = []
        for photo in np.nonzero(owners == probe)[0]:
            tops = [max(vectors[photo] @ vectors[first[s]] for s in g) for g in combinations(others, size)]
            per_photo.append(np.mean([top >= threshold for top in tops]))
        rates.append(np.mean(per_photo))
    assert false_positive_rate(compared.search, threshold, size) == pytest.approx(np.mean(rates))


def test_misses() -> None:
    mated = Mated(
        np.array([0.9, 0.4, -np.inf, 0.8]), np.array([0.5, 0.5, 1, 1]), np.array([0, 0, 1, 2]),
        np.array([0.1, 0.1, 0.1, 0.85]),
    )  # fmt: skip
    assert miss_rate(mated, 0.5) == pytest.approx(1.5 / 3)
    assert miss_rate(mated, 0.5, ranked=True) == pytest.approx(2.5 / 3)
    assert miss_rate(mated, -1) == pytest.approx(1 / 3), "a photo that failed is missed at every threshold"
    empty = np.zeros(0)
    assert np.isnan(miss_rate(Mated(empty, empty, empty.astype(np.int32), empty), 0.5))
