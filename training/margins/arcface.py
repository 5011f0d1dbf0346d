"""ArcFace: an additive margin on the angle."""

from __future__ import annotations

from training.margins.angles import decreasing_cosine_of_sum
from training.margins.base import Margin, Rows, Targets


class ArcFace(Margin):
    """ArcFace (Deng, Guo, Xue and Zafeiriou, CVPR 2019, arXiv:1801.07698, equation 3).

    z_iy = s cos(θ_iy + m), z_ij = s cos θ_ij; where θ_iy + m > π the target is s (cos θ_iy − m sin m), as in the
    authors' code, so that it falls all the way. The derivative of the target by cos θ is the true one,
    s sin(θ + m) / sin θ.

    Args:
        margin_rad: m, radians.
        scale: s.
    """

    def __init__(self, margin_rad: float = 0.5, scale: float = 64.0) -> None:
        super().__init__(scale)
        self.margin_rad = margin_rad

    def rows(self, targets: Targets) -> Rows:
        """See `Margin.rows`."""
        logits = self.scale * decreasing_cosine_of_sum(targets.products, self.margin_rad)
        return Rows(logits, self.scales(targets))
