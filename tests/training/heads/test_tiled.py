from __future__ import annotations

import pytest
import torch
from head_samples import B, C, D, loss_and_gradients, sample, spread

from pipeline.errors import ConfigError
from training.heads import DenseHead, TiledHead
from training.margins import MARGINS, ArcFace


@pytest.mark.parametrize("tile", [1, 5, 36, 37, 100])
@pytest.mark.parametrize("name", MARGINS)
def test_loss_and_gradients_are_those_of_dense(name: str, tile: int) -> None:
    x, labels = sample()
    dense = spread(DenseHead(MARGINS[name](), C, D, seed=3))
    tiled = spread(TiledHead(MARGINS[name](), C, D, seed=3, tile=tile))
    for _ in range(2):  # the second with running state that moved
        for ours, theirs in zip(
            loss_and_gradients(tiled, x, labels), loss_and_gradients(dense, x, labels), strict=True
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
    for ours, theirs in zip(tiled.margin.buffers(), dense.margin.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("progress", [0.0, 0.4])
def test_hard_negatives_weigh_in_tiles_too(progress: float) -> None:
    x, labels = sample()
    heads = [spread(kind(MARGINS["curricularface"](scale=16.0), C, D, seed=3)) for kind in (DenseHead, TiledHead)]
    for head in heads:
        head.margin.progress.fill_(progress)
    heads[1].tile = 7
    for ours, theirs in zip(*(loss_and_gradients(head, x, labels) for head in heads), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["arcface", "softmax", "sphereface", "subcentre"])
def test_gradcheck(name: str) -> None:
    x, labels = sample(3)
    head = spread(TiledHead(MARGINS[name](), 9, D, tile=4)).eval()
    labels = labels % 9

    assert torch.autograd.gradcheck(lambda x: head(x, labels), (x.requires_grad_(),))
    _, _, found = loss_and_gradients(head, x.detach(), labels)
    with torch.no_grad():
        for place in [(0, 0), (int(labels[0]), 3), (5, 7)]:
            ends = []
            for step in (1e-6, -2e-6):
                head.weight[place] += step
                ends.append(float(head(x, labels)))
            head.weight[place] += 1e-6
            assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float(found[place]), rel=1e-5, abs=1e-8)


def test_float32_is_as_near_as_the_study() -> None:
    generator = torch.Generator().manual_seed(0)
    x, labels = torch.randn(32, 64, generator=generator), torch.randint(3000, (32,), generator=generator)
    dense, tiled = DenseHead(ArcFace(), 3000, 64), TiledHead(ArcFace(), 3000, 64, tile=256)
    (loss, *gradients), (expected, *wanted) = (loss_and_gradients(head, x, labels) for head in (tiled, dense))
    assert abs(float(loss / expected) - 1) <= 2.4e-7  # one unit in the last place is 1.2e-7
    for ours, theirs in zip(gradients, wanted, strict=True):
        assert float((ours - theirs).abs().max() / theirs.abs().max()) <= 2e-6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_embeddings_under_autocast(dtype: torch.dtype) -> None:
    x, labels = sample()
    x = x.to(dtype).requires_grad_()
    dense, tiled = DenseHead(ArcFace(), C, D), TiledHead(ArcFace(), C, D, tile=5)
    gradients = []
    for head in (dense, tiled):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = head(x, labels)
        gradients.append([loss, *torch.autograd.grad(loss, (x, head.weight))])
    for ours, theirs in zip(*gradients, strict=True):
        assert ours.dtype == theirs.dtype
        torch.testing.assert_close(ours, theirs, rtol=1e-4 if ours.dtype == torch.float32 else 2e-2, atol=1e-3)


def test_low_precision_products_are_near() -> None:
    x, labels = sample()
    exact, low = (TiledHead(ArcFace(), C, D, product_dtype=dtype) for dtype in (None, torch.bfloat16))
    with torch.no_grad():
        ours, theirs = float(low(x.float(), labels)), float(exact(x.float(), labels))
    assert ours != theirs
    assert ours == pytest.approx(theirs, rel=2e-2)


def test_a_single_class() -> None:
    x, _ = sample()
    loss, by_x, by_weight = loss_and_gradients(
        TiledHead(ArcFace(), 1, D).double(), x, torch.zeros(B, dtype=torch.int64)
    )
    assert float(loss) == 0
    assert float(by_x.abs().max()) == 0
    assert float(by_weight.abs().max()) == 0


def test_evaluation_leaves_nothing_behind() -> None:
    x, labels = sample()
    head = TiledHead(ArcFace(), C, D, fused=True).double()
    with torch.no_grad():
        head(x, labels)
    assert head.pending == []


@pytest.mark.parametrize("rate", [0.0, 1.5, -1.0])
def test_an_impossible_sample_rate_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="sample rate"):
        TiledHead(ArcFace(), C, D, sample_rate=rate)


def test_changing_the_classes_before_backward_is_an_error() -> None:
    x, labels = sample()
    head = TiledHead(ArcFace(), C, D).double()
    loss = head(x.requires_grad_(), labels)
    with torch.no_grad():
        head.weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
