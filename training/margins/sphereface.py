"""SphereFace (A-Softmax): a multiplicative angular margin on unit class vectors."""

from __future__ import annotations

from training.margins.angles import decreasing_cosine_of_multiple
from training.margins.annealing import AnnealedMargin
from training.margins.base import Rows, Targets


class SphereFace(AnnealedMargin):
    """A-Softmax (Liu, Wen, Yu, Li, Raj and Song, CVPR 2017, arXiv:1704.08063, equations 6 and 7).

    z_iy = |x_i| ψ(θ_iy), z_ij = |x_i| cos θ_ij, with ψ(θ) = (−1)^k cos(mθ) − 2k on [kπ/m, (k+1)π/m]. The gradient flows
    through |x_i| as well.

    Args:
        multiple: m, 1 to 4; 1 is the softmax with unit class vectors.
        annealing: How λ falls from 1000 to 5, as the authors trained it.
    """

    def rows(self, targets: Targets) -> Rows:
        """See `Margin.rows`."""
        hardened = decreasing_cosine_of_multiple(targets.products, self.multiple)
        mixed = self.annealing.mix(targets.products, hardened)
        return Rows(targets.norms * mixed, targets.norms)
