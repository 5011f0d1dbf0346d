"""The combined margin: SphereFace, ArcFace and CosFace in one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.margins.angles import decreasing_cosine_of_sum, sine
from training.margins.base import Margin, Rows, Targets


class Combined(Margin):
    """Combined margin (ArcFace, Deng et al., CVPR 2019, arXiv:1801.07698, equation 4): z_iy = s (cos(m1 θ + m2) − m3).

    With m1 = 1 this is ArcFace with a further m3. With another m1 the angle α = m1 θ + m2 may pass π more than once;
    there cos α goes on as (−1)^k cos α − 2k, k = ⌊α/π⌋, as in SphereFace, so that it never rises.

    Args:
        factor: m1, at least 1 (SphereFace's).
        margin_rad: m2, radians (ArcFace's).
        margin: m3, in units of the cosine (CosFace's).
        scale: s.
    """

    def __init__(self, factor: float = 1.0, margin_rad: float = 0.3, margin: float = 0.2, scale: float = 64.0) -> None:
        super().__init__(scale)
        self.factor, self.margin_rad, self.margin = factor, margin_rad, margin

    def rows(self, targets: Targets) -> Rows:
        """See `Margin.rows`."""
        return Rows(self.scale * (self._hardened(targets.products) - self.margin), self.scales(targets))

    def _hardened(self, cosine: Tensor) -> Tensor:
        if self.factor == 1:
            return decreasing_cosine_of_sum(cosine, self.margin_rad)
        angle = self.factor * torch.atan2(sine(cosine), cosine) + self.margin_rad
        turns = torch.floor(angle.detach() / math.pi)
        return (1 - 2 * (turns % 2)) * angle.cos() - 2 * turns
