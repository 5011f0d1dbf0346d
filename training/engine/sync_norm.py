"""Batch statistics over the batches of all ranks.

On GPUs torch's own SyncBatchNorm does it. It does not run on CPUs, where two ranks are what tests and small machines
have; there the module below does the same through `all_reduce`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from training.engine.world import World


def synchronised(network: nn.Module, world: World) -> nn.Module:
    """The network with batch norms that see the global batch; unchanged for a single rank."""
    if world.group is None:
        return network
    if world.device.type == "cuda":
        convert: Callable[..., nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
        return convert(network, world.group)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) in (nn.BatchNorm1d, nn.BatchNorm2d):
                setattr(module, name, AllRanksBatchNorm.like(child, world.group))  # type: ignore[arg-type]
    return network


class AllRanksBatchNorm(_BatchNorm):
    """Batch norm (Ioffe and Szegedy, 2015, arXiv:1502.03167, alg. 1) over (B, C, ...) of all ranks."""

    group: dist.ProcessGroup

    @classmethod
    def like(cls, norm: _BatchNorm, group: dist.ProcessGroup) -> AllRanksBatchNorm:
        """With the very parameters and buffers of another."""
        new = cls(norm.num_features, norm.eps, norm.momentum, device="meta")
        new.weight, new.bias = norm.weight, norm.bias
        new.running_mean, new.running_var = norm.running_mean, norm.running_var
        new.num_batches_tracked, new.training, new.group = norm.num_batches_tracked, norm.training, group
        return new

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        if input.dim() < 2:
            raise ValueError(f"expected at least two dimensions, not {input.dim()}")

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """(B, C, ...) -> the same shape."""
        self._check_input_dim(input)
        if not self.training:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        axes = [0, *range(2, input.dim())]
        shape = [1, -1] + [1] * (input.dim() - 2)
        x = input if input.dtype == torch.float64 else input.float()
        count = x.numel() // x.shape[1] * dist.get_world_size(self.group)
        mean = _Sum.apply(x.sum(axes), self.group) / count
        centred = x - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(axes), self.group) / count
        self._observe(mean.detach(), variance.detach() * (count / max(1, count - 1)))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        out: Tensor = centred * scale.view(shape) + self.bias.view(shape)
        return out.to(input.dtype)

    def _observe(self, mean: Tensor, variance: Tensor) -> None:
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        momentum = 0.0 if self.momentum is None else self.momentum
        for running, new in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None:
                running.lerp_(new.to(running.dtype), momentum)


class _Sum(torch.autograd.Function):
    """Sum over the ranks; the gradient of every rank's loss flows back to every rank."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        out = values.clone()
        dist.all_reduce(out, group=group)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        out = gradients[0].clone()
        dist.all_reduce(out, group=ctx.group)
        return out, None
