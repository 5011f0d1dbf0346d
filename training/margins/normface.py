"""NormFace: softmax over scaled cosines."""

from __future__ import annotations

from training.margins.base import Margin


class NormFace(Margin):
    """NormFace (Wang, Xiang, Cheng and Yuille, ACM MM 2017, arXiv:1704.06369, equation 7): z_ij = s cos θ_ij.

    Args:
        scale: s. The smallest loss that C classes allow grows as s falls: log(1 + (C − 1) exp(−s C / (C − 1))).
    """

    def __init__(self, scale: float = 64.0) -> None:
        super().__init__(scale)
