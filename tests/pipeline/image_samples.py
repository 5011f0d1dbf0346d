"""Pictures for the tests of pipeline.images: what they are compared by, and the kinds of files."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageFile

KINDS = ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "HEIF", "AVIF"]


def rgb_of(image: PIL.Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).mean())
