"""The training step that arcface_torch publishes (train_v2.py with PartialFC_V2 at sample rate 1), written out again.

Operation for operation: the backbone under autocast up to its last layer, in DDP even on one GPU; embeddings gathered
from the ranks; both sides normalised and multiplied under autocast, logits cast to float32 and clamped; all of them
turned into angles and back, the target's with the margin, in place and unseen by autograd; a softmax over all ranks'
classes that overwrites its logits; `loss.item()`, dynamic loss scaling, clipping of the backbone at 5, SGD. Photos come
as normalised floats, as its loaders deliver them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.engine.world import own_buffers


@contextmanager
def alone(device: torch.device) -> Iterator[None]:
    """A process group of one, which its code wants."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{Path(folder) / 'store'}"
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", init_method=store, rank=0, world_size=1)
        try:
            yield
        finally:
            dist.destroy_process_group()


class Loop:
    """Call it with photos and labels for one step; inside `alone`."""

    def __init__(self, network: nn.Module, classes: int, dimension: int, device: torch.device, *, fp16: bool) -> None:
        self.device, self.fp16 = device, fp16
        devices = [device] if device.type == "cuda" else None
        still = own_buffers()
        self.network = DistributedDataParallel(
            network, device_ids=devices, bucket_cap_mb=16, static_graph=True, **still
        )
        self.weight = nn.Parameter(torch.normal(0, 0.01, (classes, dimension), device=device))
        groups = [{"params": list(network.parameters())}, {"params": [self.weight]}]
        self.optimiser = torch.optim.SGD(groups, lr=0.02, momentum=0.9, weight_decay=5e-4)
        self.scaler = torch.amp.GradScaler(device.type, growth_interval=100, enabled=fp16)

    def __call__(self, photos: Tensor, labels: Tensor) -> float:
        with torch.autocast(self.device.type, dtype=torch.float16, enabled=self.fp16):
            embeddings = self.network(photos)
        loss = self.head(embeddings, labels)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), 5)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad()
        return float(loss.item())

    def head(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """ArcFace, scale 64, margin 0.5, over all classes."""
        gathered = _Gathered.apply(embeddings.float())
        everybody = torch.zeros_like(labels)
        dist.all_gather([everybody], labels)
        with torch.autocast(self.device.type, dtype=torch.float16, enabled=self.fp16):
            logits = F.linear(F.normalize(gathered), F.normalize(self.weight))
        logits = logits.float().clamp(-1, 1)
        rows = torch.arange(len(everybody), device=self.device)
        with torch.no_grad():
            logits.arccos_()
            logits[rows, everybody] += 0.5
            logits.cos_()
        return _SoftmaxOverRanks.apply(logits * 64.0, everybody)


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, values: Tensor) -> Tensor:
        parts = [torch.zeros_like(values)]
        dist.all_gather(parts, values)
        return torch.cat(parts)

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].contiguous()
        dist.reduce(gradient, 0)
        return gradient


class _SoftmaxOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        top = logits.max(dim=1, keepdim=True).values
        dist.all_reduce(top, dist.ReduceOp.MAX)
        logits.sub_(top).exp_()
        total = logits.sum(dim=1, keepdim=True)
        dist.all_reduce(total)
        logits.div_(total)
        target = logits.gather(1, labels[:, None])
        dist.all_reduce(target)
        ctx.save_for_backward(logits, labels)
        return target.clamp_min(1e-30).log().mean().neg()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        logits, labels = ctx.saved_tensors
        hot = torch.zeros_like(logits).scatter_(1, labels[:, None], 1)
        logits.sub_(hot).div_(len(logits))
        return logits * gradients[0].item(), None
