"""Backbones: aligned crops in, embeddings out. One family per file.

build_backbone("iresnet50", dimension=512)
"""

from __future__ import annotations

from typing import Any

from training.backbones import iresnet, mobilefacenet, vit
from training.backbones.common import Backbone

NAMES = (*iresnet.DEPTHS, "mobilefacenet", *vit.SIZES)

__all__ = ["NAMES", "Backbone", "build_backbone"]


def build_backbone(name: str, *, dimension: int = 512, **options: Any) -> Backbone:
    """A backbone with fresh weights, drawn from torch's random generator.

    Args:
        name: One of `NAMES`.
        dimension: Length of an embedding.
        options: What the family takes beside it: `width`, `dropout`, `drop_path`, `mask`.

    Raises:
        ValueError: There is no such backbone.
        TypeError: The family does not take an option.
    """
    if name in iresnet.DEPTHS:
        return iresnet.IResNet(iresnet.DEPTHS[name], dimension=dimension, **options)
    if name in vit.SIZES:
        return vit.VisionTransformer(*vit.SIZES[name], dimension=dimension, **options)
    if name == "mobilefacenet":
        return mobilefacenet.MobileFaceNet(dimension=dimension, **options)
    raise ValueError(f"there is no backbone {name!r}; choose one of {', '.join(NAMES)}")
