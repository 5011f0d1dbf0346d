"""One rank of tests/training/heads/test_heads_ranks.py: trains a tiny backbone and a head, and writes what came out."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from head_samples import C, D, sample, spread
from safetensors.torch import save_file
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from training.heads import DenseHead, Head, TiledHead
from training.margins import MARGINS

HEADS = {
    "dense": {},
    "tiled": {"tile": 5},
    "fused": {"tile": 5, "fused": True},
    "partial": {"tile": 5, "sample_rate": 0.4},
    "partial_fused": {"tile": 5, "sample_rate": 0.4, "fused": True},
    "one_tile": {"tile": 1000},
}
MARGIN_NAMES = ("arcface", "curricularface", "adaface", "magface", "sphereface", "lsoftmax", "subcentre")
STEPS, GLOBAL_BATCH = 3, 8


def cases() -> list[tuple[str, str]]:
    """Every head with ArcFace, and every margin with state, norms or centres with two of the heads."""
    return [(kind, "arcface") for kind in HEADS] + [(k, m) for m in MARGIN_NAMES[1:] for k in ("dense", "fused")]


def build(kind: str, margin: str, group: dist.ProcessGroup | None) -> tuple[nn.Module, Head]:
    backbone = nn.Linear(D, D, bias=False).double()
    nn.init.eye_(backbone.weight)
    scale = {} if margin in ("sphereface", "lsoftmax") else {"scale": 8.0}
    make = DenseHead if kind == "dense" else TiledHead
    return backbone, spread(make(MARGINS[margin](**scale), C, D, seed=6, group=group, **HEADS[kind]))


def train(kind: str, margin: str, group: dist.ProcessGroup | None) -> dict[str, torch.Tensor]:
    """Losses of the global batch, and weights of backbone and classes after some steps."""
    rank, count = (dist.get_rank(), dist.get_world_size()) if group else (0, 1)
    backbone, head = build(kind, margin, group)
    model: nn.Module = DistributedDataParallel(backbone) if group else backbone
    classes: nn.Module = DistributedDataParallel(head) if group and kind == "dense" else head
    parameters = [*backbone.parameters(), *([] if head.fused else head.parameters())]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.SGD(parameters, lr=0.2, momentum=0.9)]
    if isinstance(head, TiledHead) and head.fused:
        optimizers.append(head.sgd(0.2, momentum=0.9))
    losses, size = [], GLOBAL_BATCH // count
    for step in range(STEPS):
        x, labels = sample(GLOBAL_BATCH, seed=step)
        mine = slice(rank * size, (rank + 1) * size)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = classes(model(x[mine]), labels[mine])
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        loss = loss.detach().clone()
        if group:
            dist.all_reduce(loss)
        losses.append(loss / count)
    out = {"losses": torch.stack(losses), "backbone": backbone.weight.detach(), "classes": head.weight.detach()}
    return out | {f"margin.{name}": value.double() for name, value in head.margin.named_buffers()}


def main(folder: Path, rank: int, count: int) -> None:
    store = dist.FileStore(str(folder / "store"), count)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=count)
    torch.set_num_threads(1)
    for kind, margin in cases():
        out = train(kind, margin, dist.group.WORLD)
        save_file(
            {name: value.contiguous() for name, value in out.items()}, folder / f"{kind}-{margin}-{rank}.safetensors"
        )
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
