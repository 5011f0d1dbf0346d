"""Softmax cross-entropy, without a bias."""

from __future__ import annotations

from training.margins.base import Margin


class Softmax(Margin):
    """The plain softmax: z_ij = w_j · x_i.

    There is no bias: an embedding is compared without its class, so nothing learnt in a bias would survive (SphereFace
    and all after it leave it out). Used for faces by DeepFace (Taigman et al., CVPR 2014, no arXiv number).
    """

    unit_embeddings = False
    unit_classes = False

    def __init__(self) -> None:
        super().__init__(scale=1.0)
