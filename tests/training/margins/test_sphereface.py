from __future__ import annotations

import math

import pytest
import torch
from margin_checks import batch, check, slow_logits, slow_psi

from training.margins import Annealing, SphereFace, Targets


@pytest.mark.parametrize("multiple", [1, 2, 3, 4])
@pytest.mark.parametrize("weight", [0.0, 5.0])
def test_against_the_angle(multiple: int, weight: float) -> None:
    norms = batch()[2].tolist()

    def target(cosine: float, row: int) -> float:
        return norms[row] * (weight * cosine + slow_psi(math.acos(cosine), multiple)) / (1 + weight)

    margin = SphereFace(multiple, Annealing(base=weight, floor=weight))
    check(margin, slow_logits(target, lambda cosine, row: norms[row] * cosine))


def test_lambda_falls_as_the_authors_let_it() -> None:
    margin = SphereFace()
    targets = Targets(*(torch.ones(1),) * 3)
    assert float(margin.annealing.weight()) == 1000
    for step in range(1, 4000):
        margin.observe(targets)
        if step in (1, 10, 100, 1000):
            assert float(margin.annealing.weight()) == pytest.approx(max(5.0, 1000 / (1 + 0.12 * step)))
    assert float(margin.annealing.weight()) == 5
    assert int(margin.state_dict()["annealing.steps"]) == 3999
