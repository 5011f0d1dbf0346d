from __future__ import annotations

import math

import pytest
import torch
from margin_checks import arc, batch, check, slow_logits, slow_psi

from training.margins import ArcFace, Combined, CosFace


@pytest.mark.parametrize(("factor", "angle"), [(1.5, 0.0), (2.0, 0.3), (4.0, 0.0)])
def test_against_the_angle(factor: float, angle: float) -> None:
    def target(cosine: float, row: int) -> float:
        return 64 * (slow_psi(factor * math.acos(cosine) + angle, 1) - 0.2)

    check(Combined(factor, angle, 0.2, 64.0), slow_logits(target, lambda c, i: 64 * c))


def test_arcface_with_a_further_margin() -> None:
    check(Combined(1.0, 0.3, 0.2, 64.0), slow_logits(lambda c, i: 64 * (arc(c, 0.3) - 0.2), lambda c, i: 64 * c))


def test_contains_arcface_and_cosface() -> None:
    parts = batch()
    torch.testing.assert_close(Combined(1.0, 0.5, 0.0)(*parts), ArcFace(0.5)(*parts))
    torch.testing.assert_close(Combined(1.0, 0.0, 0.35)(*parts), CosFace(0.35)(*parts))
