from __future__ import annotations

import math

import pytest
import torch
from margin_checks import arc, batch, check, slow_logits

from training.margins import CurricularFace, Targets


@pytest.mark.parametrize("progress", [0.0, 0.25, 0.75])
def test_hard_negatives_are_weighed(progress: float) -> None:
    products, labels, _, _ = batch()
    margin = CurricularFace(0.5, 64.0)
    margin.progress.fill_(progress)
    hard = []

    def other(cosine: float, row: int) -> float:
        if cosine > math.cos(math.acos(float(products[row, labels[row]])) + 0.5):
            hard.append(row)
            return 64 * cosine * (progress + cosine)
        return 64 * cosine

    check(margin, slow_logits(lambda c, i: 64 * arc(c, 0.5), other))
    assert 0 < len(hard) < 48


def test_progress_is_the_running_mean_of_the_targets() -> None:
    margin, expected = CurricularFace(), 0.0
    for number in range(5):
        cosines = torch.tensor([0.1, 0.5]) * number
        margin.observe(Targets(cosines, torch.ones(2), torch.ones(2)))
        expected = 0.01 * float(cosines.mean()) + 0.99 * expected
    assert float(margin.progress) == pytest.approx(expected, rel=1e-5)


def test_slopes_are_the_derivatives() -> None:
    products, labels, norms, class_norms = batch()
    margin = CurricularFace(0.5, 64.0)
    margin.progress.fill_(0.2)
    rows = margin.rows(Targets(products[range(6), labels], norms, class_norms))
    products.requires_grad_()
    margin.others(products, rows).sum().backward()
    torch.testing.assert_close(margin.slopes(products, rows), products.grad)
