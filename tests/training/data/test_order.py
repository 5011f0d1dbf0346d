from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.data.order import Plan


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 2**31 - 1), st.integers(1, 4))
def test_each_epoch_shows_each_sample_at_most_once_and_leaves_out_less_than_a_batch(
    samples: int, batch: int, seed: int, epochs: int
) -> None:
    plan = Plan(samples, batch, seed, epochs)
    found = list(plan.batches())
    assert len(found) == plan.steps == epochs * (samples // batch)
    for epoch in range(epochs):
        seen = [s for number, part in found if number == epoch for s in part.tolist()]
        assert len(seen) == len(set(seen)) == samples - samples % batch
        assert set(seen) <= set(range(samples))


@given(st.integers(0, 60), st.integers(1, 9))
def test_an_order_goes_on_from_any_step(first: int, batch: int) -> None:
    plan = Plan(50, batch, 3, 4)
    whole = list(plan.batches())
    rest = list(plan.batches(first))
    assert len(rest) == max(0, plan.steps - first)
    for (epoch, samples), (other_epoch, others) in zip(whole[first:], rest, strict=True):
        assert epoch == other_epoch
        np.testing.assert_array_equal(samples, others)


def test_seeds_and_epochs_have_orders_of_their_own() -> None:
    orders = [Plan(100, 10, seed, 2).epoch(epoch).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
    assert Plan(100, 10, 0, 2).epoch(0).tolist() == orders[0]
