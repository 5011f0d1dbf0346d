from __future__ import annotations

import math

import pytest
import torch

from training.heads import DenseHead
from training.margins import MARGINS, ArcFace, MagFace


def test_loss_and_gradients_against_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    head = DenseHead(ArcFace(0.3, 8.0), 4, 3).double()
    with torch.no_grad():
        head.weight.normal_(generator=generator)
    x = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 1])

    def loss(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for row, label in zip(x, labels.tolist(), strict=True):
            logits = []
            for j, w in enumerate(weight):
                theta = torch.acos((row @ w) / (row.norm() * w.norm()))
                logits.append(8 * torch.cos(theta + (0.3 if j == label else 0)))
            total = total + torch.stack(logits).exp().sum().log() - logits[label]
        return total / len(x)

    x.requires_grad_()
    expected = torch.autograd.grad(loss(x, head.weight), (x, head.weight))
    found = torch.autograd.grad(head(x, labels), (x, head.weight))
    torch.testing.assert_close(head(x, labels), loss(x, head.weight))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_penalty_is_added() -> None:
    x, labels = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    with_penalty, without = (DenseHead(MagFace(penalty=p), 6, 8) for p in (35.0, 0.0))
    expected = sum(35 * (1 / 10 + 10 / 110**2) for _ in range(4)) / 4  # every norm is below 10
    assert float((with_penalty(x, labels) - without(x, labels)).detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", MARGINS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_embeddings_under_autocast(name: str, dtype: torch.dtype) -> None:
    head = DenseHead(MARGINS[name](), 6, 8)
    x = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    labels = torch.tensor([0, 1, 5, 1])
    exact = head.eval()(x.detach().float(), labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = head(x, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact)
    loss.backward()
    assert x.grad is not None
    assert x.grad.dtype == dtype
    assert bool(x.grad.isfinite().all())
    assert math.isfinite(float(loss.detach()))


def test_only_training_moves_the_margins_state() -> None:
    head = DenseHead(MARGINS["curricularface"](), 6, 8)
    x, labels = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    head.eval()(x, labels)
    assert float(head.margin.progress) == 0
    head.train()(x, labels)
    assert float(head.margin.progress) != 0
