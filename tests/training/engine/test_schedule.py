from __future__ import annotations

import math

import pytest

from training.engine.schedule import learning_rate


def test_warm_up_and_polynomial_by_hand() -> None:
    rates = [learning_rate(step, 10, peak=1.0, warmup=4, decay="polynomial", power=2) for step in range(10)]
    expected = [0.25, 0.5, 0.75, 1.0, 1.0, (5 / 6) ** 2, (4 / 6) ** 2, (3 / 6) ** 2, (2 / 6) ** 2, (1 / 6) ** 2]
    assert rates == pytest.approx(expected)


def test_cosine_by_hand() -> None:
    rates = [learning_rate(step, 4, peak=2.0, final=1.0, decay="cosine") for step in range(4)]
    assert rates == pytest.approx([2.0, 1.5 + math.sqrt(0.5) / 2, 1.5, 1.5 - math.sqrt(0.5) / 2])


def test_constant() -> None:
    assert [learning_rate(s, 3, peak=0.3, warmup=1, decay="constant") for s in range(3)] == [0.3, 0.3, 0.3]
