"""A picture of a face with some of its surroundings."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.errors import PhotoError
from pipeline.images import Photo
from pipeline.types import F32

SIDE = 112
_ROOM = 1.5  # the square's side, in those of the box
_QUALITY = 80
_BY_AREA = 0.5  # shrunk less than this, nothing aliases; bilinear then takes a tenth of the time of area averaging


def thumbnail(photo: Photo, box: F32) -> bytes:
    """JPEG of SIDE x SIDE pixels or fewer: the square about the face as far as it lies in the photo.

    Args:
        photo: The photo.
        box: (4,) float32 x0 y0 x1 y1 in its pixels.

    Raises:
        PhotoError: The picture cannot be encoded.
    """
    x0, y0, x1, y1 = (float(value) for value in box)
    half = max(x1 - x0, y1 - y0, 1.0) * _ROOM / 2
    pixels = photo.pixels(math.ceil(max(photo.image_hw) * min(1.0, SIDE / (2 * half))))
    scale = pixels.shape[1] / photo.image_hw[1]
    left, right = _within(((x0 + x1) / 2 - half) * scale, ((x0 + x1) / 2 + half) * scale, pixels.shape[1])
    top, bottom = _within(((y0 + y1) / 2 - half) * scale, ((y0 + y1) / 2 + half) * scale, pixels.shape[0])
    part = pixels[top:bottom, left:right]
    shrink = min(1.0, SIDE / max(part.shape[:2]))
    if shrink < 1:
        size = (max(1, round(part.shape[1] * shrink)), max(1, round(part.shape[0] * shrink)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA if shrink < _BY_AREA else cv2.INTER_LINEAR)
    bgr = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2BGR)
    done, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise PhotoError(f"{photo.source}: the picture of a face could not be encoded")
    return bytes(jpeg)


def _within(low: float, high: float, size: int) -> tuple[int, int]:
    """A range of at least one pixel inside 0..size."""
    start = min(max(math.floor(low), 0), size - 1)
    return start, min(max(math.ceil(high), start + 1), size)
