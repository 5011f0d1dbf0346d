"""Cutting a turned, scaled square out of a photo, from whichever resolution it was decoded at."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import F64, Image

_SHRINK_AT = 0.5


def warp(pixels: Image, matrix: F64, to_original_xy: F64, size: int) -> Image:
    """Cuts one crop.

    A face that is more than twice as large as the crop is first shrunk by area averaging, so that the bilinear
    warp does not alias.

    Args:
        pixels: (H, W, 3) uint8 RGB, the photo at some scale.
        matrix: (2, 3) similarity, pixels of the original photo -> pixels of the crop.
        to_original_xy: (2,) pixels of the original photo per pixel of `pixels`, x and y.
        size: Side of the crop in pixels.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    matrix = scaled_source(matrix, to_original_xy)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < _SHRINK_AT:
        pixels, matrix = _shrunk_region(pixels, matrix, scale, size)
    crop: Image = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return crop


def scaled_source(matrix: F64, source_scale_xy: F64) -> F64:
    """The same map for a source whose pixels are `source_scale_xy` (2,) times as large.

    Pixel centres lie at whole numbers (OpenCV's convention), so the map is x_original = s·(x + 1/2) − 1/2.
    """
    linear = matrix[:, :2] * source_scale_xy
    offset = matrix[:, 2] + matrix[:, :2] @ ((source_scale_xy - 1) / 2)
    return np.column_stack([linear, offset])


def _shrunk_region(pixels: Image, matrix: F64, scale: float, size: int) -> tuple[Image, F64]:
    """The part of the source that the crop sees, shrunk by a whole factor, and the matrix that goes with it."""
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64)
    inverse = np.linalg.inv(matrix[:, :2])
    seen = (corners - matrix[:, 2]) @ inverse.T
    factor = max(1, int(np.floor(1 / scale)))
    height, width = pixels.shape[:2]
    x0, y0 = np.clip(np.floor(seen.min(axis=0)) - factor, 0, [width, height]).astype(int)
    x1, y1 = np.clip(np.ceil(seen.max(axis=0)) + factor, 0, [width, height]).astype(int)
    if x1 - x0 < factor or y1 - y0 < factor:
        return pixels, matrix
    region = pixels[y0:y1, x0:x1]
    shrunk = cv2.resize(region, ((x1 - x0) // factor, (y1 - y0) // factor), interpolation=cv2.INTER_AREA)
    step = np.array([(x1 - x0) / shrunk.shape[1], (y1 - y0) / shrunk.shape[0]])
    shifted = np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ np.array([x0, y0], np.float64)])
    return shrunk, scaled_source(shifted, step)
