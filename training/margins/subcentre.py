"""Sub-centre ArcFace: several class vectors for one class."""

from __future__ import annotations

from training.margins.arcface import ArcFace


class SubcentreArcFace(ArcFace):
    """Sub-centre ArcFace (Deng, Guo, Liu, Gong and Zafeiriou, ECCV 2020, equation 2; no arXiv number).

    Each class has K vectors and cos θ_ij = max_k cos(w_jk, x_i): noisy photos of a subject may gather round a centre of
    their own. The head holds the vectors and takes the maximum; everything else is ArcFace.

    Args:
        margin_rad: m, radians.
        scale: s.
        centres: K.
    """

    def __init__(self, margin_rad: float = 0.5, scale: float = 64.0, centres: int = 3) -> None:
        super().__init__(margin_rad, scale)
        self.centres = centres
