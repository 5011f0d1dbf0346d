"""What is done to a crop before it is learnt from, as a pure function of the crop and a random generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.types import Image

#: (112, 112, 3) uint8 RGB and a generator of its own -> the same shape and type.
Augmentation = Callable[[Image, np.random.Generator], Image]


def flip(image: Image, random: np.random.Generator) -> Image:
    """Mirrors every second crop, left to right."""
    return np.ascontiguousarray(image[:, ::-1]) if random.random() < 0.5 else image
