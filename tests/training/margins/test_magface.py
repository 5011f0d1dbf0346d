from __future__ import annotations

import pytest
import torch
from margin_checks import arc, batch, check, slow_logits

from training.margins import MagFace, Targets


def test_the_margin_grows_with_the_norm() -> None:
    norms = [min(max(a, 10.0), 110.0) for a in batch()[2].tolist()]
    margins = [0.45 + 0.35 / 100 * (a - 10) for a in norms]
    assert min(margins) == 0.45
    assert max(margins) == pytest.approx(0.8)
    check(MagFace(), slow_logits(lambda c, i: 64 * arc(c, margins[i]), lambda c, i: 64 * c))


def test_the_penalty_falls_with_the_norm() -> None:
    norms = torch.tensor([1.0, 10.0, 50.0, 110.0, 500.0], dtype=torch.float64)
    penalty = MagFace(penalty=2.0).rows(Targets(torch.zeros(5).double(), norms, norms)).penalty
    expected = [2 * (1 / a + a / 110**2) for a in (10, 10, 50, 110, 110)]
    assert penalty is not None
    torch.testing.assert_close(penalty, torch.tensor(expected, dtype=torch.float64))


def test_the_norm_has_a_gradient() -> None:
    norms = torch.tensor([50.0], dtype=torch.float64, requires_grad=True)
    MagFace().rows(Targets(torch.tensor([0.5]).double(), norms, norms)).logits.sum().backward()
    assert float(norms.grad) < 0
