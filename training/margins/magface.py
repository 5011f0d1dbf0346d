"""MagFace: the norm of an embedding becomes a measure of quality."""

from __future__ import annotations

from training.margins.angles import decreasing_cosine_of_sum
from training.margins.base import Margin, Rows, Targets


class MagFace(Margin):
    """MagFace (Meng, Zhao, Huang and Zhou, CVPR 2021, arXiv:2103.06627, equations 2, 4 and 8).

    With a = |x| held in [l_a, u_a]: m(a) = l_m + (u_m − l_m) (a − l_a) / (u_a − l_a), g(a) = 1/a + a/u_a²; the loss of
    a row is ArcFace's with margin m(a), plus λ g(a). The gradient flows through a.

    Args:
        norm_range: l_a and u_a.
        margin_range_rad: l_m and u_m, radians.
        penalty: λ.
        scale: s.
    """

    def __init__(
        self,
        norm_range: tuple[float, float] = (10.0, 110.0),
        margin_range_rad: tuple[float, float] = (0.45, 0.8),
        penalty: float = 35.0,
        scale: float = 64.0,
    ) -> None:
        super().__init__(scale)
        self.norm_range, self.margin_range_rad, self.penalty = norm_range, margin_range_rad, penalty

    def rows(self, targets: Targets) -> Rows:
        """See `Margin.rows`."""
        (low, high), (least, most) = self.norm_range, self.margin_range_rad
        norms = targets.norms.clamp(low, high)
        margin_rad = least + (most - least) / (high - low) * (norms - low)
        logits = self.scale * decreasing_cosine_of_sum(targets.products, margin_rad)
        return Rows(logits, self.scales(targets), penalty=self.penalty * (1 / norms + norms / high**2))
