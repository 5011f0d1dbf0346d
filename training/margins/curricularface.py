"""CurricularFace: hard negatives weigh more as training proceeds."""

from __future__ import annotations

import torch
from torch import Tensor

from training.margins.angles import cosine_of_sum, decreasing_cosine_of_sum
from training.margins.base import Margin, Rows, Targets


class CurricularFace(Margin):
    """CurricularFace (Huang et al., CVPR 2020, arXiv:2004.00288, equations 5 to 8).

    The target is ArcFace's. Another class is hard if cos θ_ij > cos(θ_iy + m); its logit is then
    s cos θ_ij (t + cos θ_ij), where t is the running mean of the targets' cosines: t ← 0.01 mean(cos θ_iy) + 0.99 t.

    Args:
        margin_rad: m, radians.
        scale: s.
        momentum: How much of t stays at a step.
    """

    progress: Tensor

    def __init__(self, margin_rad: float = 0.5, scale: float = 64.0, momentum: float = 0.99) -> None:
        super().__init__(scale)
        self.margin_rad, self.momentum = margin_rad, momentum
        self.register_buffer("progress", torch.zeros(()))

    def observe(self, targets: Targets) -> None:
        """Moves t towards the mean cosine of the targets."""
        self.progress.lerp_(targets.products.detach().mean().to(self.progress), 1 - self.momentum)

    def rows(self, targets: Targets) -> Rows:
        """See `Margin.rows`."""
        logits = self.scale * decreasing_cosine_of_sum(targets.products, self.margin_rad)
        border = cosine_of_sum(targets.products.detach(), self.margin_rad)
        return Rows(logits, self.scales(targets), hard_above=border)

    def others(self, products: Tensor, rows: Rows) -> Tensor:
        """Hard negatives are re-weighted by t + cos θ."""
        if rows.hard_above is None:
            return super().others(products, rows)
        progress = self.progress.to(products.dtype)
        hard = products * (progress + products)
        return torch.where(products > rows.hard_above[:, None], hard, products) * rows.scale[:, None]

    def slopes(self, products: Tensor, rows: Rows) -> Tensor | None:
        """Derivative s (t + 2 cos θ) for hard negatives, s for all others."""
        if rows.hard_above is None:
            return None
        steep = self.progress.to(products.dtype) + 2 * products
        return torch.where(products > rows.hard_above[:, None], steep, 1.0) * rows.scale[:, None]
