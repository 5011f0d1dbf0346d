"""pipeline.calibration.comparisons against loops over photos."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.calibration.comparisons import NonMated, compare_all
from pipeline.gallery.fusion import fuse


def photos(seed: int, people: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    owners = np.sort(np.concatenate([np.arange(people), rng.integers(0, people, 9)])).astype(np.int32)
    vectors = rng.normal(0, 1, (len(owners), 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = rng.random(len(owners)) > 0.2
    return vectors, owners, usable


def rows_of(found: NonMated) -> list[tuple[float, float]]:
    return sorted(zip(found.scores.round(5).tolist(), found.weights.round(9).tolist(), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_verify_weighs_every_pair_of_people_alike(seed: int) -> None:
    vectors, owners, usable = photos(seed)
    found = compare_all(vectors, owners, usable).verify
    here = np.nonzero(usable)[0]
    many = {s: int((owners[here] == s).sum()) for s in set(owners[here])}
    expected = [
        (round(float(vectors[i] @ vectors[j]), 5), round(1 / (many[owners[i]] * many[owners[j]]), 9))
        for n, i in enumerate(here)
        for j in here[n + 1 :]
        if owners[i] != owners[j]
    ]
    assert rows_of(found) == sorted(expected)
    assert found.subjects == len(many)
    assert found.pairs == len(many) * (len(many) - 1) / 2 == pytest.approx(found.weights.sum())
    assert np.all(np.diff(found.scores) <= 0)
    assert np.all(found.a != found.b)


@pytest.mark.parametrize(("seed", "enrolled"), [(0, 1), (1, 2), (2, 3), (3, 99)])
def test_search_takes_the_best_photo_of_a_subject(seed: int, enrolled: int) -> None:
    vectors, owners, usable = photos(seed)
    found = compare_all(vectors, owners, usable, enrolled).search
    here = np.nonzero(usable)[0]
    expected = []
    for i in here:
        for s in set(owners[here]) - {owners[i]}:
            gallery = [j for j in here if owners[j] == s][:enrolled]
            best = max(float(vectors[i] @ vectors[j]) for j in gallery)
            expected.append((round(best, 5), round(1 / int((owners[here] == owners[i]).sum()), 9)))
    assert rows_of(found) == sorted(expected)
    assert found.pairs == pytest.approx(found.weights.sum())
    assert np.array_equal(found.owners[found.probe], found.a)


@pytest.mark.parametrize("seed", range(5))
def test_failed_photos_are_misses(seed: int) -> None:
    vectors, owners, usable = photos(seed)
    part = compare_all(vectors, owners, usable, 1)
    expected, searched = [], []
    for s in set(owners):
        mine = [int(i) for i in np.nonzero(owners == s)[0]]
        pairs = [(i, j) for n, i in enumerate(mine) for j in mine[n + 1 :]]
        for i, j in pairs:
            score = float(vectors[i] @ vectors[j]) if usable[i] and usable[j] else -np.inf
            expected.append((round(score, 5), round(1 / len(pairs), 9)))
        for i in mine if len(mine) > 1 else []:
            rest = [j for j in mine if j != i and usable[j]][:1]
            score = float(vectors[i] @ vectors[rest[0]]) if rest and usable[i] else -np.inf
            searched.append((round(score, 5), round(1 / len(mine), 9)))
    mated = part.mated
    assert sorted(zip(mated.scores.round(5).tolist(), mated.weights.round(9).tolist(), strict=True)) == sorted(expected)
    found = part.found
    assert sorted(zip(found.scores.round(5).tolist(), found.weights.round(9).tolist(), strict=True)) == sorted(searched)
    assert mated.subjects == len({s for s in owners if (owners == s).sum() > 1})


def test_the_best_other_is_the_best_of_the_others() -> None:
    vectors, owners, usable = photos(7)
    usable[:] = True
    found = compare_all(vectors, owners, usable, 99).found
    scores = vectors @ vectors.T
    expected = [
        max(float(scores[i, j]) for j in range(len(owners)) if owners[j] != owners[i])
        for s in range(owners.max() + 1)
        for i in np.nonzero(owners == s)[0]
        if (owners == s).sum() > 1
    ]
    assert found.best_other == pytest.approx(expected, abs=1e-6)


def test_nobody_and_one() -> None:
    none = compare_all(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.bool_))
    assert none.verify.pairs == 0
    assert len(none.mated.scores) == 0
    one = compare_all(np.ones((1, 1), np.float32), np.zeros(1, np.int32), np.ones(1, np.bool_))
    assert len(one.verify.scores) == len(one.search.scores) == len(one.found.scores) == 0


@pytest.mark.parametrize(("seed", "enrolled"), [(0, 1), (1, 2), (2, 99)])
def test_search_by_fused_templates(seed: int, enrolled: int) -> None:
    vectors, owners, usable = photos(seed)
    part = compare_all(vectors, owners, usable, enrolled, fuse)
    here = [int(i) for i in np.nonzero(usable)[0]]
    expected, own = [], []
    for i in here:
        for s in set(owners[here]) - {owners[i]}:
            gallery = [j for j in here if owners[j] == s][:enrolled]
            expected.append(round(float(vectors[i] @ fuse(vectors[gallery])), 5))
        if (owners == owners[i]).sum() > 1:
            rest = [j for j in here if owners[j] == owners[i] and j != i][:enrolled]
            own.append(round(float(vectors[i] @ fuse(vectors[rest])), 5) if rest else -np.inf)
    assert sorted(part.search.scores.round(5).tolist()) == pytest.approx(sorted(expected), abs=2e-5)
    found = part.found.scores
    assert sorted(found[np.isfinite(found)].round(5).tolist()) == pytest.approx(
        sorted(score for score in own if np.isfinite(score)), abs=2e-5
    )
