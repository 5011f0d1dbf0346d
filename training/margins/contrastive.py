"""Contrastive loss over the pairs of a batch. A term that is added to a head's loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.margins.base import full_precision


class ContrastiveLoss(nn.Module):
    """The verification signal of DeepID2 (Sun, Wang and Tang, NIPS 2014, arXiv:1406.4773, equation 2).

    ½ |x_i − x_j|² for two samples of a subject, ½ max(0, m − |x_i − x_j|)² for samples of two; λ times the mean over
    the B (B − 1) / 2 pairs of this rank's batch.

    Args:
        margin: m, in the embeddings' unit of length.
        weight: λ.
    """

    def __init__(self, margin: float = 1.0, weight: float = 0.05) -> None:
        super().__init__()
        self.margin, self.weight = margin, weight

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The term; 0 for a batch of one.

        Args:
            embeddings: (B, D) any floating dtype, as they are (not normalised).
            labels: (B,) int64.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = full_precision(embeddings)
            distances = torch.nn.functional.pdist(embeddings)  # its derivative is 0 where two embeddings coincide
            first, second = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
            apart = (self.margin - distances).clamp_min(0)
            terms = torch.where(labels[first] == labels[second], distances, apart).square()
            return self.weight / 2 * terms.sum() / max(1, len(terms))
