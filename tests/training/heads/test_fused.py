from __future__ import annotations

import pytest
import torch
from head_samples import C, D, sample, spread
from torch import nn

from training.heads import DenseHead, FusedSGD, Head, TiledHead, step_together
from training.margins import MARGINS, ArcFace

SETTINGS = [(0.0, 0.0), (0.9, 0.0), (0.0, 5e-4), (0.9, 5e-4)]


def train(head: Head, optimizer: torch.optim.Optimizer, steps: int, micro: int = 1) -> list[float]:
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        for part in range(micro):
            x, labels = sample(seed=10 * step + part)
            loss = head(x.requires_grad_(), labels) / micro
            loss.backward()
            losses.append(float(loss.detach()))
        optimizer.step()
    return losses


@pytest.mark.parametrize(("momentum", "decay"), SETTINGS)
@pytest.mark.parametrize("micro", [1, 3])
def test_is_torchs_sgd(momentum: float, decay: float, micro: int) -> None:
    dense = spread(DenseHead(ArcFace(0.3, 8.0), C, D, seed=1))
    tiled = spread(TiledHead(ArcFace(0.3, 8.0), C, D, seed=1, fused=True, tile=6))
    expected = train(dense, torch.optim.SGD([dense.weight], lr=0.5, momentum=momentum, weight_decay=decay), 4, micro)
    optimizer = tiled.sgd(0.5, momentum=momentum, weight_decay=decay)
    assert train(tiled, optimizer, 4, micro) == pytest.approx(expected, rel=1e-10)
    assert tiled.weight.grad is None
    torch.testing.assert_close(tiled.weight, dense.weight, rtol=1e-9, atol=1e-11)
    assert expected[0] != pytest.approx(expected[-1], rel=1e-3)


@pytest.mark.parametrize("name", MARGINS)
def test_every_margin(name: str) -> None:
    dense = spread(DenseHead(MARGINS[name](), C, D, seed=1))
    tiled = spread(TiledHead(MARGINS[name](), C, D, seed=1, fused=True, tile=6))
    train(dense, torch.optim.SGD([dense.weight], lr=0.01, momentum=0.9), 3)
    train(tiled, tiled.sgd(0.01, momentum=0.9), 3)
    torch.testing.assert_close(tiled.weight, dense.weight, rtol=1e-8, atol=1e-10)


def test_schedules_and_state_work_as_with_any_optimiser() -> None:
    def run(stop: int) -> tuple[TiledHead, FusedSGD, list[float]]:
        head = spread(TiledHead(ArcFace(0.3, 8.0), C, D, seed=1, fused=True))
        optimizer = head.sgd(0.5, momentum=0.9)
        return head, optimizer, train(head, optimizer, stop)

    whole, first = run(4), run(2)
    head = spread(TiledHead(ArcFace(0.3, 8.0), C, D, seed=1, fused=True))
    optimizer = head.sgd(0.1, momentum=0.9)
    head.load_state_dict(first[0].state_dict())
    optimizer.load_state_dict(first[1].state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.5
    for step in (2, 3):
        x, labels = sample(seed=10 * step)
        loss = head(x.requires_grad_(), labels)
        loss.backward()
        assert float(loss.detach()) == whole[2][step]
        optimizer.step()
    assert torch.equal(head.weight, whole[0].weight)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.1**step)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


def test_zero_grad_forgets() -> None:
    head = spread(TiledHead(ArcFace(), C, D, fused=True))
    before, optimizer = head.weight.detach().clone(), head.sgd(0.1)
    x, labels = sample()
    head(x.requires_grad_(), labels).backward()
    optimizer.zero_grad()
    optimizer.step()
    assert torch.equal(head.weight, before)


def test_the_loss_scale_is_taken_out_and_an_overflow_skips_both() -> None:
    def parts(*, fused: bool) -> tuple[nn.Linear, Head]:
        backbone = nn.Linear(D, D, bias=False)
        nn.init.eye_(backbone.weight)
        kind = (
            TiledHead(ArcFace(0.3, 8.0), C, D, seed=1, fused=True)
            if fused
            else DenseHead(ArcFace(0.3, 8.0), C, D, seed=1)
        )
        return backbone.double(), spread(kind)

    plain, dense = parts(fused=False)
    both = torch.optim.SGD([*plain.parameters(), dense.weight], lr=0.1, momentum=0.9)
    backbone, head = parts(fused=True)
    assert isinstance(head, TiledHead)
    optimizer, classes = torch.optim.SGD(backbone.parameters(), lr=0.1, momentum=0.9), head.sgd(0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=2)
    made = []
    for step in range(5):
        x, labels = sample(seed=step)
        overflow = step == 2
        optimizer.zero_grad()
        loss = head(backbone(x), labels)
        scaler.scale(loss * (float("inf") if overflow else 1.0)).backward()
        made.append(step_together(scaler, optimizer, classes))
        if not overflow:
            both.zero_grad()
            dense(plain(x), labels).backward()
            both.step()
        torch.testing.assert_close(head.weight, dense.weight, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(backbone.weight, plain.weight, rtol=1e-9, atol=1e-11)
    assert made == [True, True, False, True, True]
    assert head.pending == []
