"""The step: accumulation, clipping, precision, and what it says when numbers run out."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import DivergedError
from training.engine.step import Stepper
from training.engine.sync_norm import AllRanksBatchNorm
from training.engine.world import World
from training.heads import DenseHead, TiledHead
from training.margins import MARGINS

WORLD = World(0, 1, torch.device("cpu"))


class Small(nn.Module):
    """A network without batch statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 112 * 112, 8)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x.flatten(1)).float()
        return out


def stepper(head: str = "dense", lr: float = 0.1, **options: Any) -> Stepper:
    torch.manual_seed(0)
    network = Small()
    margin = MARGINS["cosface"](margin=0.1, scale=8.0)
    settings = {"lr": lr, "momentum": 0.9, "weight_decay": 1e-3}
    if head == "dense":
        held: Any = DenseHead(margin, 5, 8)
    else:
        held = TiledHead(margin, 5, 8, fused=True)
    moved = held.sgd(**settings) if head == "fused" else torch.optim.SGD(held.parameters(), **settings)
    return Stepper(network, held, torch.optim.SGD(network.parameters(), **settings), moved, WORLD, **options)


def batch(count: int = 8, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    photos = torch.randint(0, 256, (count, 3, 112, 112), dtype=torch.uint8, generator=generator)
    return photos, torch.randint(0, 5, (count,), generator=generator)


@pytest.mark.parametrize("head", ["dense", "fused"])
def test_micro_batches_add_up_to_the_batch(head: str) -> None:
    whole, parts = stepper(head), stepper(head)
    photos, labels = batch()
    for step in range(3):
        one = whole([(photos, labels)], step=step, rate=0.1)
        two = parts([(photos[:4], labels[:4]), (photos[4:], labels[4:])], step=step, rate=0.1)
        assert one.loss == pytest.approx(two.loss, rel=1e-5)
        assert one.norm == pytest.approx(two.norm, rel=1e-4)
    torch.testing.assert_close(whole.network.state_dict(), parts.network.state_dict(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(whole.head.state_dict(), parts.head.state_dict(), rtol=1e-4, atol=1e-6)


def test_it_is_the_textbook_step() -> None:
    ours = stepper(clip=0.5)
    network, head = copy.deepcopy(ours.network), copy.deepcopy(ours.head)
    optimiser = torch.optim.SGD([*network.parameters(), *head.parameters()], lr=0.05, momentum=0.9, weight_decay=1e-3)
    photos, labels = batch()
    for step in range(3):
        result = ours([(photos, labels)], step=step, rate=0.05)
        optimiser.zero_grad()
        loss = head(network((photos.float() - 127.5) / 127.5), labels)
        loss.backward()
        norm = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]).norm()
        for parameter in network.parameters():
            assert parameter.grad is not None
            parameter.grad *= min(1.0, 0.5 / (float(norm) + 1e-6))
        optimiser.step()
        assert result.loss == pytest.approx(float(loss.detach()), rel=1e-6)
        assert result.norm == pytest.approx(float(norm), rel=1e-5)
    torch.testing.assert_close(ours.network.state_dict(), network.state_dict(), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(ours.head.state_dict(), head.state_dict(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_near_and_learns(precision: Any) -> None:
    exact, half = stepper(), stepper(precision=precision)
    photos, labels = batch()
    pairs = [
        (exact([(photos, labels)], step=i, rate=0.05), half([(photos, labels)], step=i, rate=0.05)) for i in range(6)
    ]
    assert pairs[0][1].loss == pytest.approx(pairs[0][0].loss, rel=0.02)
    assert pairs[-1][1].loss < pairs[0][1].loss
    assert {result.scale for _, result in pairs} <= ({2.0**i for i in range(10, 17)} if precision == "fp16" else {1.0})


@pytest.mark.parametrize("head", ["dense", "fused"])
def test_an_overflow_skips_the_step_and_lowers_the_scale(head: str) -> None:
    one = stepper(head, precision="fp16")
    one.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=3)
    before = copy.deepcopy((one.network.state_dict(), one.head.state_dict()))
    results = [one([batch()], step=0, rate=0.01)]
    assert results[0].skipped
    torch.testing.assert_close((one.network.state_dict(), one.head.state_dict()), before, rtol=0, atol=0)
    while results[-1].skipped:
        results.append(one([batch()], step=len(results), rate=0.01))
    assert [r.scale for r in results] == [2.0 ** (40 - i) for i in range(len(results))]
    assert results[-1].loss == results[0].loss  # nothing had moved
    for _ in range(3):
        results.append(one([batch()], step=len(results), rate=0.0))
    assert results[-1].scale > results[-3].scale  # it grows again


def test_what_is_not_finite_is_named() -> None:
    one = stepper()
    with torch.no_grad():
        one.network.layer.bias[3] = float("nan")  # type: ignore[union-attr, index]
    with pytest.raises(DivergedError, match=r"step 7: the loss is nan .*0\.05.*backbone layer\.bias \(1 of 8 values\)"):
        one([batch()], step=7, rate=0.05)
    one = stepper()
    with torch.no_grad():
        one.head.weight[2, 0] = float("inf")  # type: ignore[union-attr, index]
    with pytest.raises(DivergedError, match=r"head weight \(1 of 40 values\)"):
        one([batch()], step=0, rate=0.05)


def test_a_gradient_that_is_not_finite_is_named() -> None:
    one = stepper()
    one.network.layer.weight.register_hook(lambda g: g * float("inf"))  # type: ignore[union-attr, operator]
    with pytest.raises(DivergedError, match=r"norm is (nan|inf).*gradient of backbone layer\.weight"):
        one([batch()], step=0, rate=0.05)


def test_a_scale_that_comes_down_to_its_end_is_an_error() -> None:
    one = stepper(precision="fp16")
    one.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    one.network.layer.weight.register_hook(lambda g: g * float("inf"))  # type: ignore[union-attr, operator]
    assert one([batch()], step=0, rate=0.1).skipped
    assert one([batch()], step=1, rate=0.1).skipped
    with pytest.raises(DivergedError, match="loss scale has come down"):
        one([batch()], step=2, rate=0.1)


def test_batch_norm_of_one_rank_is_batch_norm() -> None:
    """The arithmetic alone; two ranks are in test_ranks.py."""
    import torch.distributed as dist

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        plain = nn.BatchNorm2d(3).double()
        nn.init.uniform_(plain.weight)
        ours = AllRanksBatchNorm.like(copy.deepcopy(plain), dist.group.WORLD)
        x = torch.randn(4, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
        for norm, given in zip((plain, ours), inputs, strict=True):
            norm(given).pow(3).sum().backward()
        torch.testing.assert_close(inputs[1].grad, inputs[0].grad)
        torch.testing.assert_close(ours.weight.grad, plain.weight.grad)
        torch.testing.assert_close(ours.state_dict(), plain.state_dict())
        torch.testing.assert_close(ours.eval()(x), plain.eval()(x))
    finally:
        dist.destroy_process_group()
