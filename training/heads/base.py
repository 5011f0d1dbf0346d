"""What every head has: class vectors, a margin, and state that can be saved, re-sharded and restored."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.heads.collective import Group, ranks
from training.heads.shards import class_range, initial_rows
from training.margins import Margin, Targets
from training.margins.base import full_precision


class Head(nn.Module):
    """Class vectors and a margin: `head(embeddings (B, D), labels (B,)) -> mean loss of this rank's batch`.

    Attributes:
        num_classes: C, over all ranks.
        dimension: D.
        margin: The margin; its buffers are the only other state.
        classes: The classes this rank holds.
        weight: (len(classes) * K, D) float32; the K vectors of a class follow one another.
        group: The ranks that work together; None for a single process.
    """

    weight: Tensor
    fused = False

    def __init__(
        self,
        margin: Margin,
        num_classes: int,
        dimension: int,
        *,
        seed: int = 0,
        group: Group | None = None,
        sharded: bool = False,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        self.margin = margin.to(device) if device else margin
        self.num_classes, self.dimension, self.seed, self.group = num_classes, dimension, seed, group
        self.classes = class_range(num_classes, *ranks(group)) if sharded else range(num_classes)
        rows = initial_rows(self.classes, margin.centres, dimension, seed=seed, device=device)
        self.weight = nn.Parameter(rows)

    @property
    def sharded_tensors(self) -> tuple[str, ...]:
        """Names in `state_dict()` whose axis 0 runs over `classes` (K rows a class); the rest is common to ranks."""
        return ("weight",)

    def geometry(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """The embeddings as the margin wants them.

        Args:
            embeddings: (B, D) any floating dtype.

        Returns:
            (B, D), x/|x| or x, and (B,) |x|, both in at least float32 and part of the graph.
        """
        embeddings = full_precision(embeddings)
        norms = torch.linalg.vector_norm(embeddings, dim=1)
        if self.margin.unit_embeddings:
            embeddings = embeddings / norms.clamp_min(1e-12)[:, None]
        return embeddings, norms

    def observe(self, targets: Targets) -> None:
        """Moves the margin's running state, in training only. `targets` are those of the global batch."""
        if self.training:
            with torch.no_grad():
                self.margin.observe(targets)
