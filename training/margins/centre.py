"""Centre loss: embeddings near the mean of their class. A term that is added to a head's loss."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

from training.margins.base import full_precision


class CentreLoss(nn.Module):
    """Centre loss (Wen, Zhang, Li and Qiao, ECCV 2016, equations 2 to 4; no arXiv number): λ/2 mean |x_i − c_y|².

    In training the centres follow, without a gradient: c_j ← c_j − α Σ_{y_i = j} (c_j − x_i) / (1 + n_j), n_j being how
    often class j is in the batch. The paper takes the sum over the batch where this takes the mean.

    Args:
        num_classes: C.
        dimension: D; the centres take 4 C D bytes on every rank.
        weight: λ.
        rate: α.
        group: The ranks whose batches together move the centres; None: a single process.
    """

    centres: Tensor

    def __init__(
        self,
        num_classes: int,
        dimension: int,
        weight: float = 0.003,
        rate: float = 0.5,
        group: dist.ProcessGroup | None = None,
    ) -> None:
        super().__init__()
        self.weight, self.rate, self.group = weight, rate, group
        self.register_buffer("centres", torch.zeros(num_classes, dimension))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The term, by the centres as they were before this batch.

        Args:
            embeddings: (B, D) any floating dtype.
            labels: (B,) int64 in [0, num_classes).
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = full_precision(embeddings)
            away = embeddings - self.centres[labels]
            if self.training:
                self._follow(away.detach().to(self.centres.dtype), labels)
            return self.weight / 2 * away.square().sum(dim=1).mean()

    def _follow(self, away: Tensor, labels: Tensor) -> None:
        if self.group is not None:
            count = dist.get_world_size(self.group)
            parts = [torch.empty_like(away) for _ in range(count)], [torch.empty_like(labels) for _ in range(count)]
            dist.all_gather(parts[0], away, group=self.group)
            dist.all_gather(parts[1], labels, group=self.group)
            away, labels = torch.cat(parts[0]), torch.cat(parts[1])
        present, number = torch.unique(labels, return_inverse=True)
        sums = torch.zeros(len(present), away.shape[1], dtype=away.dtype, device=away.device)
        sums.index_add_(0, number, away)
        counts = torch.bincount(number, minlength=len(present))
        self.centres[present] += self.rate * sums / (1 + counts)[:, None]
