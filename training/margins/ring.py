"""Ring loss: embeddings of one length. A term that is added to a head's loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.margins.base import full_precision


class RingLoss(nn.Module):
    """Ring loss (Zheng, Pal and Savvides, CVPR 2018, arXiv:1803.00130, equation 2): λ/2 mean (|x_i| − R)².

    R is learnt with everything else: give `parameters()` to an optimiser.

    Args:
        weight: λ.
        radius: R at the beginning; about the mean norm that the backbone starts with.
    """

    def __init__(self, weight: float = 0.01, radius: float = 1.0) -> None:
        super().__init__()
        self.weight = weight
        self.radius = nn.Parameter(torch.tensor(float(radius)))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002
        """The term.

        Args:
            embeddings: (B, D) any floating dtype.
            labels: (B,), not used.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            norms = torch.linalg.vector_norm(full_precision(embeddings), dim=1)
            term: Tensor = self.weight / 2 * (norms - self.radius).square().mean()
            return term
