from __future__ import annotations

import math

import pytest
import torch
from margin_checks import arc, check, slow_logits

from training.margins import ArcFace


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.2])
def test_adds_the_margin_to_the_angle(margin: float) -> None:
    check(ArcFace(margin, 64.0), slow_logits(lambda c, i: 64 * arc(c, margin), lambda c, i: 64 * c))


def test_the_gradient_has_the_factor_of_the_sines() -> None:
    theta = torch.linspace(0.05, math.pi - 0.55, 40, dtype=torch.float64)
    cosine = theta.cos()[:, None].requires_grad_()
    ArcFace(0.5, 1.0)(cosine, torch.zeros(40, dtype=torch.int64)).sum().backward()
    torch.testing.assert_close(cosine.grad[:, 0], (theta + 0.5).sin() / theta.sin(), rtol=1e-9, atol=1e-9)


def test_never_rises_with_the_angle() -> None:
    cosine = torch.linspace(1, -1, 2001, dtype=torch.float64)[:, None]
    logits = ArcFace(0.5, 1.0)(cosine, torch.zeros(2001, dtype=torch.int64))[:, 0]
    assert bool((logits.diff() <= 1e-3).all())
