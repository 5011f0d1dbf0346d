"""L2-constrained softmax, also called Crystal loss."""

from __future__ import annotations

from training.margins.base import Margin


class Crystal(Margin):
    """L2-softmax (Ranjan, Castillo and Chellappa, 2017, arXiv:1703.09507, equation 3), Crystal loss (arXiv:1804.01159).

    The embedding is put on a sphere of radius α, the classes stay free: z_ij = α w_j · x_i / |x_i|, here without bias.

    Args:
        scale: α; for C classes to be told apart with probability p it must be at least log(p (C − 2) / (1 − p)).
    """

    unit_classes = False

    def __init__(self, scale: float = 50.0) -> None:
        super().__init__(scale)
