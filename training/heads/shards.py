"""Which rank holds which classes, and where their first values come from: neither depends on the number of ranks."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 1024  # classes that are initialised with one seed


def class_range(num_classes: int, rank: int, ranks: int) -> range:
    """The classes of a rank: contiguous, in order, sizes differing by at most one.

    Example:
        >>> [class_range(10, rank, 3) for rank in range(3)]
        [range(0, 4), range(4, 7), range(7, 10)]
    """
    size, extra = divmod(num_classes, ranks)
    start = rank * size + min(rank, extra)
    return range(start, start + size + (rank < extra))


def initial_rows(
    classes: range, per_class: int, dimension: int, *, seed: int, device: torch.device | None = None
) -> Tensor:
    """Class vectors, normal with deviation 0.01: the same for a class whichever rank holds it.

    Args:
        classes: The classes to initialise.
        per_class: Vectors per class, K.
        dimension: D.
        seed: Of the run.
        device: Where they are drawn and lie. CPU and CUDA draw different numbers.

    Returns:
        (len(classes) * K, D) float32.
    """
    device = device or torch.device("cpu")
    rows = torch.empty((len(classes), per_class * dimension), device=device)
    for block in range(classes.start // BLOCK, -(-classes.stop // BLOCK)):
        mixed = (block * 0x9E3779B1 + seed * 0x85EBCA77) % 2**32  # the CPU generator takes 32 bits; odd: no block twice
        generator = torch.Generator(device).manual_seed(mixed)
        low, high = max(classes.start, block * BLOCK), min(classes.stop, (block + 1) * BLOCK)
        values = torch.empty((BLOCK, per_class * dimension), device=device).normal_(0, 0.01, generator=generator)
        rows[low - classes.start : high - classes.start] = values[low - block * BLOCK : high - block * BLOCK]
    return rows.view(-1, dimension)
