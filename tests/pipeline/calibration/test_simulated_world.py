"""A world whose true error rates are known: the stated bound holds in at least 94 % of 1,000 calibrations."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from scripts.simulated_world import SCALE, WORLDS, half, simulate, true_rate

RUNS = 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "size", "people"),
    [(1e-3, 1, 80), (0.01, 100, 60), (0.01, 1000, 80), (0.01, 10_000, 246)],
    ids=["verify at FMR 1e-3", "gallery of 100", "gallery of 1,000", "gallery of 10,000"],
)
def test_the_bound_holds(rate: float, size: int, people: int) -> None:
    """With strong identity effects, and as few people as are accepted (or nearly so)."""
    outcome = simulate("strong", people, rate, size, RUNS)
    assert outcome.runs == RUNS
    assert outcome.held >= 0.94
    assert outcome.true < 2, "the threshold keeps about the rate that was asked for, or less"
    assert outcome.bound < 30, "a bound that says nothing holds as well"


@pytest.mark.parametrize("world", [*WORLDS, "wolves"])
def test_the_true_rates_are_those_of_the_world(world: str) -> None:
    rng = np.random.default_rng(5)
    drawn = half(world, 1500, rng, ordered=True)
    threshold = float(drawn.scores[3000])
    seen = (drawn.scores >= threshold).sum() / drawn.pairs
    assert true_rate(world, threshold, 1) == pytest.approx(seen, rel=0.15)
    matched = np.unique(drawn.probe[drawn.above(threshold)])
    assert true_rate(world, threshold, 1499) == pytest.approx(len(matched) / 1500, rel=0.15)


def test_without_identity_effects_a_gallery_is_so_many_independent_chances() -> None:
    threshold = 3.0 / SCALE
    alone = 1 - NormalDist().cdf(3.0)
    assert true_rate("independent", threshold, 1) == pytest.approx(alone)
    assert true_rate("independent", threshold, 100) == pytest.approx(1 - (1 - alone) ** 100)
    assert true_rate("strong", threshold, 100) < true_rate("independent", threshold, 100)
