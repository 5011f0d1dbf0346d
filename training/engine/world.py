"""Ranks and devices: one process, or as many as `torchrun` started."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True)
class World:
    """Where this process stands.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
        device: Its device.
        group: How they talk; None for a single process.
    """

    rank: int
    size: int
    device: torch.device
    group: dist.ProcessGroup | None = None

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all ranks, written into `values`."""
        if self.group is not None:
            dist.all_reduce(values, group=self.group)
        return values

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces each gradient by its mean over the ranks; for what DDP does not look after."""
        if self.group is not None:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad = self.sum(parameter.grad) / self.size

    def wait(self) -> None:
        """Until all ranks have come here."""
        if self.group is not None:
            dist.barrier(group=self.group)


@contextmanager
def world(device: str) -> Iterator[World]:
    """Joins the other ranks if `torchrun` started this process; leaves them at the end.

    Args:
        device: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.

    Raises:
        ConfigError: The device is not there.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    place = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if size == 1:
        yield World(0, 1, place)
        return
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield World(rank, size, place, dist.group.WORLD)
    finally:
        dist.destroy_process_group()


def own_buffers() -> dict[str, Any]:
    """The setting by which DDP leaves running statistics to each rank; newer versions of torch call it otherwise."""
    names = inspect.signature(DistributedDataParallel.__init__).parameters
    return {"forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers": False}


def _device(name: str, local_rank: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{local_rank}"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device {name!r}: is no device; give auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r}: training runs on cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name!r}: torch finds {torch.cuda.device_count()} GPUs here")
    return device
