"""pipeline.fusion: weights of an ensemble on worlds in which the right answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.fusion import FusionFit, _Pairs, _simplex, fit_weights

PEOPLE, PHOTOS = 120, 3


def world(*noises: float, seed: int = 0) -> tuple[list[np.ndarray], list[str]]:
    """Templates of one member per noise: each person has a direction of its own, each photo strays from it."""
    rng = np.random.default_rng(seed)
    owners = [f"person {row % PEOPLE}" for row in range(PEOPLE * PHOTOS)]
    members = []
    for noise in noises:
        centres = rng.normal(size=(PEOPLE, 16))
        rows = np.tile(centres, (PHOTOS, 1)) + noise * rng.normal(size=(PEOPLE * PHOTOS, 16))
        members.append((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))
    return members, owners


def fitted(*noises: float, seed: int = 0) -> FusionFit:
    templates, owners = world(*noises, seed=seed)
    return fit_weights(templates, owners, rounds=3)


def test_members_of_equal_worth_share_and_the_ensemble_is_better_on_new_people() -> None:
    fit = fitted(0.6, 0.6)
    assert sum(fit.weights) == pytest.approx(1)
    assert abs(fit.weights[0] - 0.5) < 0.15
    assert (fit.photos, fit.people, fit.rounds) == (PEOPLE * PHOTOS, PEOPLE, 3)
    assert fit.fmrs == (1e-2, 1e-3)
    for place in range(len(fit.fmrs)):
        assert fit.fused[place] < 0.7 * min(row[place] for row in fit.alone)


def test_the_better_member_counts_more_and_the_answer_is_the_same_each_time() -> None:
    fit = fitted(0.4, 0.8, 0.6)
    assert fit.weights[0] > fit.weights[2] > fit.weights[1]
    assert fit == fitted(0.4, 0.8, 0.6)


def test_a_member_that_knows_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="member 2 adds nothing"):
        fitted(0.5, 50.0)


def test_too_few_photos_are_refused() -> None:
    templates, owners = world(0.5, 0.5)
    with pytest.raises(ConfigError, match="at least 30 people"):
        fit_weights([member[:20] for member in templates], owners[:20])
    with pytest.raises(ConfigError, match="at least 30 people"):  # nobody twice
        fit_weights([member[:PEOPLE] for member in templates], owners[:PEOPLE])
    with pytest.raises(ConfigError, match="two to four members"):
        fit_weights(templates[:1], owners)


def test_rates_are_those_of_a_threshold_counted_by_hand() -> None:
    templates, owners = world(0.9, 0.9, seed=4)
    person = np.unique(owners, return_inverse=True)[1]
    rows = np.arange(0, PEOPLE * PHOTOS, 5)
    mated, other = [], []
    for i in rows:
        for j in rows[rows > i]:
            score = 0.25 * float(templates[0][i] @ templates[0][j]) + 0.75 * float(templates[1][i] @ templates[1][j])
            (mated if owners[i] == owners[j] else other).append(score)
    assert len(mated) > 20
    rates = _Pairs(templates, person, rows).fnmrs(np.array([0.25, 0.75]), [0.1, 0.01])
    for fmr, rate in zip((0.1, 0.01), rates, strict=True):
        threshold = sorted(other, reverse=True)[int(fmr * len(other))]  # the highest score that must not match
        assert sum(score > threshold for score in other) <= fmr * len(other)
        assert rate == sum(score <= threshold for score in mated) / len(mated)


def test_the_grid_has_every_share_once() -> None:
    grid = list(_simplex(3, 4))
    assert len({tuple(row) for row in grid}) == len(grid) == 15
    assert all(sum(row) == 4 and min(row) >= 0 for row in grid)
