from __future__ import annotations

import math

import pytest
import torch
from margin_checks import batch, check, slow_logits, slow_psi

from pipeline.errors import ConfigError
from training.margins import Annealing, LSoftmax, Softmax


@pytest.mark.parametrize("multiple", [1, 2, 3, 4])
@pytest.mark.parametrize("weight", [0.0, 5.0])
def test_against_the_angle(multiple: int, weight: float) -> None:
    _, _, norms, class_norms = batch()
    lengths = [float(a * b) for a, b in zip(norms, class_norms, strict=True)]

    def target(product: float, row: int) -> float:
        cosine = product / lengths[row]
        psi = slow_psi(math.acos(cosine), multiple)
        return lengths[row] * (weight * cosine + psi) / (1 + weight)

    check(LSoftmax(multiple, Annealing(base=weight, floor=weight)), slow_logits(target, lambda p, i: p))


def test_multiple_one_is_softmax() -> None:
    parts = batch()
    torch.testing.assert_close(LSoftmax(1)(*parts), Softmax()(*parts), rtol=1e-12, atol=1e-12)


def test_other_multiples_are_refused() -> None:
    with pytest.raises(ConfigError, match="multiple is 5"):
        LSoftmax(5)(*batch())
