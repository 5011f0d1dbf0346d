"""The heads on a GPU, where there is one."""

from __future__ import annotations

import pytest
import torch
from head_samples import C, D, loss_and_gradients, sample, spread
from torch import nn

from training.heads import DenseHead, TiledHead, step_together
from training.heads.sampling import choose
from training.margins import MARGINS, ArcFace

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.mark.parametrize("tile", [5, None])
@pytest.mark.parametrize("name", MARGINS)
def test_tiled_is_dense(name: str, tile: int | None) -> None:
    x, labels = (part.cuda() for part in sample())
    device = torch.device("cuda")
    dense = spread(DenseHead(MARGINS[name](), C, D, seed=3, device=device))
    tiled = spread(TiledHead(MARGINS[name](), C, D, seed=3, tile=tile, device=device))
    for _ in range(2):
        found, expected = (loss_and_gradients(head, x, labels) for head in (tiled, dense))
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


def test_the_sample_is_that_of_the_cpu() -> None:
    positives = torch.tensor([3, 250_000, 599_999])
    cpu, cuda = (choose(range(600_000), p, rate=0.2, seed=4, step=11) for p in (positives, positives.cuda()))
    assert torch.equal(cpu, cuda.cpu())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_mixed_precision_with_a_loss_scale(dtype: torch.dtype) -> None:
    device = torch.device("cuda")
    losses: dict[bool, list[float]] = {True: [], False: []}
    for mixed in (True, False):
        torch.manual_seed(0)
        backbone = nn.Linear(D, D, device=device)
        head = TiledHead(ArcFace(0.3, 8.0), C, D, seed=1, fused=True, sample_rate=0.8, tile=7, device=device)
        optimizer, classes = torch.optim.SGD(backbone.parameters(), lr=0.1), head.sgd(0.1, momentum=0.9)
        scaler = torch.amp.GradScaler("cuda", init_scale=2.0**24, enabled=mixed and dtype == torch.float16)
        made = 0
        for step in range(40):
            x, labels = (part.to(device) for part in sample(seed=step % 5))
            optimizer.zero_grad()
            with torch.autocast("cuda", dtype=dtype, enabled=mixed):
                embeddings = backbone(x.float())
                assert embeddings.dtype == (dtype if mixed else torch.float32)
                loss = head(embeddings, labels)
            scaler.scale(loss).backward()
            made += step_together(scaler, optimizer, classes)
            losses[mixed].append(float(loss.detach()))
        if scaler.is_enabled():
            assert 0 < made < 40
            assert scaler.get_scale() < 2.0**24
    assert losses[True][0] == pytest.approx(losses[False][0], rel=2e-2)
    for values in losses.values():
        assert max(values[-5:]) < min(values[:5])
