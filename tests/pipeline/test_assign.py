"""pipeline.assign against every possible assignment and against SciPy."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.optimize import linear_sum_assignment

from pipeline.assign import assign

Gains = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.integers(-3, 6))


def total(gains: np.ndarray, given_columns: list[int | None]) -> float:
    return float(sum(gains[row, column] for row, column in enumerate(given_columns) if column is not None))


def best_of_all(gains: np.ndarray) -> float:
    """Tries everything: each row a column of its own, or one of as many that stand for nobody."""
    rows, columns = gains.shape
    wide = np.concatenate([np.maximum(gains, 0), np.zeros((rows, rows))], axis=1)
    return max(float(sum(wide[np.arange(rows), list(chosen)])) for chosen in permutations(range(columns + rows), rows))


@given(Gains)
def test_no_assignment_is_better(gains: np.ndarray) -> None:
    gains = gains[:3]
    columns = assign(gains)
    named = [column for column in columns if column is not None]
    assert len(set(named)) == len(named)
    assert all(gains[row, column] > 0 for row, column in enumerate(columns) if column is not None)
    assert total(gains, columns) == best_of_all(gains)


@pytest.mark.parametrize("seed", range(20))
def test_as_good_as_scipy_on_larger_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gains = rng.normal(0, 1, rng.integers(1, 40, 2))
    clipped = np.maximum(gains, 0)
    rows, columns = linear_sum_assignment(-clipped)
    assert total(gains, assign(gains)) == pytest.approx(float(clipped[rows, columns].sum()), abs=1e-9)


def test_nothing_to_gain_is_nothing_given() -> None:
    assert assign(np.zeros((2, 3))) == [None, None]
    assert assign(np.full((2, 1), -np.inf)) == [None, None]
    assert assign(np.zeros((0, 3))) == []
    assert assign(np.zeros((2, 0))) == [None, None]
    assert assign(np.array([[1.0], [2.0]])) == [None, 0]
