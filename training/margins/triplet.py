"""Triplet loss with semi-hard negatives. A term that is added to a head's loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.margins.base import full_precision


class TripletLoss(nn.Module):
    """FaceNet's loss (Schroff, Kalenichenko and Philbin, CVPR 2015, arXiv:1503.03832, equations 2 and 4).

    On unit embeddings, over all ordered pairs (a, p) of one subject in this rank's batch: λ times the mean of
    max(0, |a − p|² − |a − n|² + α). The negative n is semi-hard: the nearest one farther from a than p is; where
    there is none, the farthest.

    Args:
        margin: α, in squared distance.
        weight: λ.
    """

    def __init__(self, margin: float = 0.2, weight: float = 1.0) -> None:
        super().__init__()
        self.margin, self.weight = margin, weight

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The term; 0 if no subject comes twice, or there is only one.

        Args:
            embeddings: (B, D) any floating dtype.
            labels: (B,) int64.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            unit = torch.nn.functional.normalize(full_precision(embeddings), dim=1)
            distances = 2 - 2 * (unit @ unit.T)
            same = labels[:, None] == labels[None, :]
            anchors, positives = torch.nonzero(same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)).T
            near = distances[anchors, positives]
            far = self._negatives(distances.detach()[anchors], same[anchors], near.detach())
            lacking = same.all(dim=1)[anchors]
            terms = (near - distances[anchors, far] + self.margin).clamp_min(0).masked_fill(lacking, 0)
            return self.weight * terms.sum() / max(1, len(terms))

    def _negatives(self, distances: Tensor, same: Tensor, near: Tensor) -> Tensor:
        """(P,) index of the negative of each pair, from (P, B) distances of its anchor."""
        farther = distances.masked_fill(same | (distances <= near[:, None]), torch.inf)
        nearest = farther.min(dim=1)
        farthest = distances.masked_fill(same, -torch.inf).argmax(dim=1)
        return torch.where(nearest.values.isfinite(), nearest.indices, farthest)
