"""L-Softmax: a multiplicative angular margin on free class vectors."""

from __future__ import annotations

from training.margins.angles import decreasing_cosine_of_multiple
from training.margins.annealing import AnnealedMargin
from training.margins.base import Rows, Targets


class LSoftmax(AnnealedMargin):
    """L-Softmax (Liu, Wen, Yu and Yang, ICML 2016, arXiv:1612.02295, equations 4 to 6).

    z_iy = |w_y| |x_i| ψ(θ_iy), z_ij = w_j · x_i, with ψ(θ) = (−1)^k cos(mθ) − 2k on [kπ/m, (k+1)π/m].

    Args:
        multiple: m, 1 to 4; 1 is the plain softmax.
        annealing: How λ falls; the paper's section 4 starts large and stops at a small value.
    """

    unit_embeddings = False
    unit_classes = False

    def rows(self, targets: Targets) -> Rows:
        """See `Margin.rows`."""
        lengths = (targets.norms * targets.class_norms).clamp_min(1e-12)
        cosine = (targets.products / lengths).clamp(-1, 1)
        hardened = decreasing_cosine_of_multiple(cosine, self.multiple)
        return Rows(lengths * self.annealing.mix(cosine, hardened), self.scales(targets))
