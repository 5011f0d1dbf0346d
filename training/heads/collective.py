"""The few collectives a head needs; each is the identity where there is no group.

They are called outside autograd's graph (in a custom Function or on detached values), in the same order on all ranks.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

Group = dist.ProcessGroup


def ranks(group: Group | None) -> tuple[int, int]:
    """This process's rank in the group and the number of ranks."""
    return (0, 1) if group is None else (dist.get_rank(group), dist.get_world_size(group))


def gather(rows: Tensor, group: Group | None) -> Tensor:
    """Every rank's rows (B, ...), in the order of the ranks: (B * ranks, ...). All ranks must hold equally many."""
    if group is None:
        return rows
    parts = [torch.empty_like(rows) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, rows.contiguous(), group=group)
    return torch.cat(parts)


def total(values: Tensor, group: Group | None) -> Tensor:
    """The sum over the ranks, written into `values`."""
    if group is not None:
        dist.all_reduce(values, op=dist.ReduceOp.SUM, group=group)
    return values


def largest(values: Tensor, group: Group | None) -> Tensor:
    """The maximum over the ranks, written into `values`."""
    if group is not None:
        dist.all_reduce(values, op=dist.ReduceOp.MAX, group=group)
    return values
