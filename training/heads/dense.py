"""The textbook head: all logits at once, gradients by autograd."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.heads.base import Head
from training.heads.collective import Group, gather
from training.margins import Margin, Targets


class DenseHead(Head):
    """Holds all classes and forms the (B, C) logits; readable, exact, the reference of the other heads' tests.

    With several ranks each holds a copy, and the gradient of `weight` is to be averaged over them (DDP does); only the
    margin's running state is gathered here, so that it is that of the global batch.

    Memory beyond weights and optimiser: about 4 (2 C D + 4 B C) bytes: unit class vectors, the gradient, and logits,
    their softmax and gradients.
    """

    def __init__(
        self,
        margin: Margin,
        num_classes: int,
        dimension: int,
        *,
        seed: int = 0,
        group: Group | None = None,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(margin, num_classes, dimension, seed=seed, group=group, device=device)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of this rank's batch.

        Args:
            embeddings: (B, D) any floating dtype, under autocast or not.
            labels: (B,) int64 in [0, num_classes).
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            query, norms = self.geometry(embeddings)
            products, class_norms = self._products(query, labels)
            targets = Targets(products.gather(1, labels[:, None])[:, 0], norms, class_norms)
            self.observe(
                Targets(*(gather(part.detach(), self.group) for part in (targets.products, norms, class_norms)))
            )
            rows = self.margin.rows(targets)
            logits = self.margin.others(products, rows).scatter(1, labels[:, None], rows.logits[:, None])
            loss = nn.functional.cross_entropy(logits, labels)
            return loss if rows.penalty is None else loss + rows.penalty.mean()

    def _products(self, query: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C) products and (B,) norms of the targets' class vectors."""
        weight = self.weight.to(query.dtype)
        norms = torch.linalg.vector_norm(weight, dim=1).clamp_min(1e-12)
        if self.margin.unit_classes:
            weight = weight / norms[:, None]
        products = query @ weight.T
        if self.margin.centres == 1:
            return products, norms[labels]
        best = products.view(len(query), self.num_classes, -1).max(dim=2)
        chosen = best.indices.gather(1, labels[:, None])[:, 0]
        return best.values, norms[labels * self.margin.centres + chosen]
