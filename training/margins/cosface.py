"""CosFace (AM-Softmax): an additive margin on the cosine."""

from __future__ import annotations

from training.margins.base import Margin, Rows, Targets


class CosFace(Margin):
    """CosFace (Wang et al., CVPR 2018, arXiv:1801.09414, equation 4); AM-Softmax (Wang et al., 2018, arXiv:1801.05599).

    z_iy = s (cos θ_iy − m), z_ij = s cos θ_ij.

    Args:
        margin: m, in units of the cosine.
        scale: s.
    """

    def __init__(self, margin: float = 0.35, scale: float = 64.0) -> None:
        super().__init__(scale)
        self.margin = margin

    def rows(self, targets: Targets) -> Rows:
        """See `Margin.rows`."""
        return Rows(self.scale * (targets.products - self.margin), self.scales(targets))
