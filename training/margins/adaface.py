"""AdaFace: the margin follows the quality of the photo, seen in the norm of its embedding."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.margins.angles import cosine_of_sum
from training.margins.base import Margin, Rows, Targets


class AdaFace(Margin):
    """AdaFace (Kim, Jain and Liu, CVPR 2022, arXiv:2204.00964, equations 11 to 15).

    q_i = clip((|x_i| − μ) / (σ / h), −1, 1), where μ and σ are running mean and deviation of the norms;
    z_iy = s (cos(θ_iy − m q_i) − m (1 + q_i)). No gradient flows through q. As in the authors' code θ_iy − m q_i is
    held in [0, π] and norms in [0.001, 100].

    Args:
        margin_rad: m, the largest angular margin, radians; the cosine's margin goes up to 2 m.
        scale: s.
        concentration: h.
        momentum: How much of μ and σ stays at a step.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, margin_rad: float = 0.4, scale: float = 64.0, concentration: float = 0.333, momentum: float = 0.99
    ) -> None:
        super().__init__(scale)
        self.margin_rad, self.concentration, self.momentum = margin_rad, concentration, momentum
        self.register_buffer("mean", torch.tensor(20.0))
        self.register_buffer("deviation", torch.tensor(100.0))

    def observe(self, targets: Targets) -> None:
        """Moves μ and σ towards those of the batch."""
        norms = targets.norms.detach().clamp(0.001, 100)
        self.mean.lerp_(norms.mean().to(self.mean), 1 - self.momentum)
        if len(norms) > 1:
            self.deviation.lerp_(norms.std().to(self.deviation), 1 - self.momentum)

    def quality(self, norms: Tensor) -> Tensor:
        """The quality q (B,) in [-1, 1] of norms (B,)."""
        mean, deviation = self.mean.to(norms.dtype), self.deviation.to(norms.dtype)
        centred = norms.detach().clamp(0.001, 100) - mean
        return (centred / (deviation + 0.001) * self.concentration).clamp(-1, 1)

    def rows(self, targets: Targets) -> Rows:
        """See `Margin.rows`."""
        quality = self.quality(targets.norms)
        angle = -self.margin_rad * quality
        cosine = targets.products
        moved = cosine_of_sum(cosine, angle)
        moved = torch.where((angle < 0) & (cosine > angle.cos()), 1.0, moved)  # θ + g < 0
        moved = torch.where((angle > 0) & (cosine < (math.pi - angle).cos()), -1.0, moved)  # θ + g > π
        return Rows(self.scale * (moved - self.margin_rad * (1 + quality)), self.scales(targets))
