from __future__ import annotations

import math

import pytest
import torch
from margin_checks import batch, check, slow_logits

from training.margins import AdaFace, Targets


def test_the_margin_follows_the_norm() -> None:
    margin = AdaFace(0.4, 64.0, 0.333)
    margin.mean.fill_(24.0)
    margin.deviation.fill_(9.0)
    norms, seen = batch()[2].tolist(), set()

    def target(cosine: float, row: int) -> float:
        q = (min(max(norms[row], 0.001), 100.0) - 24.0) / (9.0 + 0.001) * 0.333
        q = min(1.0, max(-1.0, q))
        seen.add(round(q, 3))
        angle = min(max(math.acos(cosine) - 0.4 * q, 0.0), math.pi)
        return 64 * (math.cos(angle) - (0.4 + 0.4 * q))

    check(margin, slow_logits(target, lambda c, i: 64 * c))
    assert {-0.777, 1.0} <= seen


def test_statistics_run_along_without_a_gradient() -> None:
    margin = AdaFace()
    norms = torch.tensor([10.0, 20.0, 60.0], requires_grad=True)
    margin.observe(Targets(torch.zeros(3), norms, torch.ones(3)))
    assert float(margin.mean) == pytest.approx(0.01 * 30 + 0.99 * 20)
    assert float(margin.deviation) == pytest.approx(0.01 * float(norms.detach().std()) + 0.99 * 100)
    assert not margin.rows(Targets(torch.zeros(3), norms, torch.ones(3))).logits.requires_grad


def test_a_batch_of_one_has_no_deviation() -> None:
    margin = AdaFace()
    margin.observe(Targets(torch.zeros(1), torch.ones(1), torch.ones(1)))
    assert float(margin.deviation) == 100
