"""PartialFC's choice of classes, the same for any number of ranks."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 1 << 18


def uniform(classes: range, seed: int, step: int, device: torch.device) -> Tensor:
    """A number in [0, 1) per class: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) of seed, step and class.

    It depends on nothing else, so ranks that hold different classes draw what one process would, on every device.

    Returns:
        (len(classes),) float32.
    """
    start = _mix(_mix(torch.tensor(seed, dtype=torch.int64)) + step)
    values = torch.arange(classes.start, classes.stop, device=device)
    mixed = _mix(values * _signed(0x9E3779B97F4A7C15) + int(start))
    return ((mixed >> 40) & 0xFFFFFF).float() * 2.0**-24


def choose(classes: range, positives: Tensor, *, rate: float, seed: int, step: int) -> Tensor:
    """The classes of one step: each with probability `rate`, those of the batch always.

    Args:
        classes: The classes this rank holds.
        positives: (G,) int64 labels of the global batch.
        rate: Share of the classes to take, in (0, 1].
        seed: Of the run.
        step: Number of the step.

    Returns:
        (n,) int64 ascending, relative to `classes.start`.
    """
    parts = []
    for low in range(classes.start, classes.stop, BLOCK):
        block = range(low, min(low + BLOCK, classes.stop))
        taken = uniform(block, seed, step, positives.device) < rate
        here = positives[(positives >= block.start) & (positives < block.stop)]
        taken[here - block.start] = True
        parts.append(taken.nonzero()[:, 0] + (low - classes.start))
    return torch.cat(parts) if parts else positives.new_empty(0)


def _mix(values: Tensor) -> Tensor:
    values = values + _signed(0x9E3779B97F4A7C15)
    values = (values ^ _shifted(values, 30)) * _signed(0xBF58476D1CE4E5B9)
    values = (values ^ _shifted(values, 27)) * _signed(0x94D049BB133111EB)
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Logical shift to the right; `>>` of int64 is arithmetic."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _signed(constant: int) -> int:
    return constant - (1 << 64)
