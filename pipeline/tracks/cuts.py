"""Scene cuts: two frames whose colours have little in common.

The histogram intersection of Swain and Ballard ("Color Indexing", IJCV 1991) of the colours of both frames. A cut that
is missed, or seen where there is none (a flash), costs little: behind a cut a face's place says nothing any more, and
its template still does.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import F32, Image

_SIDE = 64
_BINS = 8


class SceneCuts:
    """Looks at frames one after the other.

    Args:
        least: Common part of the colours of two frames, in [0, 1], below which the scene has changed.
    """

    def __init__(self, least: float = 0.5) -> None:
        self._least = least
        self._before: F32 | None = None

    def is_cut(self, rgb: Image) -> bool:
        """Whether this frame, (H, W, 3) uint8 RGB, shows another scene than the one before."""
        now = colours(rgb)
        before, self._before = self._before, now
        return before is not None and float(np.minimum(before, now).sum()) < self._least


def colours(rgb: Image) -> F32:
    """How much of a picture has each of 512 colours, (512,) float32 that sum to 1."""
    step = max(1, min(rgb.shape[:2]) // _SIDE)
    small = np.ascontiguousarray(rgb[::step, ::step])
    counts = cv2.calcHist([small], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3).ravel()
    shares: F32 = (counts / counts.sum()).astype(np.float32)
    return shares
