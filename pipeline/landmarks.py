"""Landmark refinement with MTCNN's O-Net.

Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", IEEE SPL 2016,
arXiv:1604.02878.

A detector's landmarks are coarse on small faces; O-Net looks at the face again at 48x48. It sees a square about the
centre of the box, once as it is and once mirrored, and the two answers are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.boxes import square_around
from pipeline.images import Photo
from pipeline.protocols import Array, Session
from pipeline.types import F32, Detections, Image
from pipeline.warp import warp

_SIDE = 48
#: Left and right change places in a mirror.
_MIRRORED = [1, 0, 2, 4, 3]
_MAX_BATCH = 64
_COORDINATES = 10


class OnetRefiner:
    """O-Net behind the `LandmarkRefiner` protocol.

    Args:
        session: The network: input (N, 48, 48, 3) float32 RGB, (x − 127.5)/128, height and width exchanged; the output
            of ten columns is x0..x4, y0..y4 as fractions of the square.
        mean: Subtracted from each pixel.
        std: Divides each pixel.
    """

    def __init__(self, session: Session, *, mean: float = 127.5, std: float = 128.0) -> None:
        self._session, self._mean, self._std = session, mean, std

    @property
    def runtime(self) -> str:
        """What runs it, and in which precision."""
        return self._session.runtime

    def refine(self, photo: Photo, detections: Detections) -> Detections:
        """The same faces with refined landmarks."""
        return self.refine_batch([photo], [detections])[0]

    def refine_batch(self, photos: Sequence[Photo], detections: Sequence[Detections]) -> list[Detections]:
        """The same for several photos: all faces go through the network together."""
        squares = [square_around(found.boxes) for found in detections]
        patches = [_cut(photo, boxes) for photo, boxes in zip(photos, squares, strict=True)]
        points = self._predict(np.concatenate(patches)) if patches else np.zeros((0, 5, 2), np.float32)
        refined, start = [], 0
        for found, boxes in zip(detections, squares, strict=True):
            fractions = points[start : start + len(found)]
            start += len(found)
            side = (boxes[:, 2:4] - boxes[:, 0:2])[:, None]
            refined.append(found.with_landmarks((boxes[:, None, 0:2] + fractions * side).astype(np.float32)))
        return refined

    def _predict(self, patches: Image) -> F32:
        """(N, 48, 48, 3) uint8 RGB -> (N, 5, 2) float32 fractions of the square, mean of both passes."""
        parts = [self._both_ways(patches[i : i + _MAX_BATCH]) for i in range(0, len(patches), _MAX_BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, 5, 2), np.float32)

    def _both_ways(self, patches: Image) -> F32:
        both = np.concatenate([patches, patches[:, :, ::-1]])
        blob: Array = (both.transpose(0, 2, 1, 3).astype(np.float32) - self._mean) / self._std
        outputs = self._session.run({self._session.inputs[0]: np.ascontiguousarray(blob)})
        flat = next(output for output in outputs.values() if output.shape[1] == _COORDINATES)
        points = flat.reshape(-1, 2, 5).transpose(0, 2, 1)
        straight, mirrored = points[: len(patches)], points[len(patches) :][:, _MIRRORED]
        # Column i of the patch, the fraction i / 48 of the square, is column 47 - i of its mirror image.
        unmirrored = np.stack([(_SIDE - 1) / _SIDE - mirrored[..., 0], mirrored[..., 1]], axis=-1)
        mean: F32 = ((straight + unmirrored) / 2).astype(np.float32)
        return mean


def _cut(photo: Photo, squares_xyxy: F32) -> Image:
    """The squares of one photo at 48x48, (N, 48, 48, 3) uint8 RGB, black where they reach past it."""
    if not len(squares_xyxy):
        return np.zeros((0, _SIDE, _SIDE, 3), np.uint8)
    smallest = float((squares_xyxy[:, 2] - squares_xyxy[:, 0]).min())
    pixels = photo.pixels(int(np.ceil(max(photo.image_hw) * min(1.0, _SIDE / max(smallest, 1.0)))))
    to_original = np.array(photo.image_hw[::-1], np.float64) / np.array(pixels.shape[1::-1], np.float64)
    return np.stack([_patch(pixels, square, to_original) for square in squares_xyxy.astype(np.float64)])


def _patch(pixels: Image, square: Array, to_original: Array) -> Image:
    factor = _SIDE / (square[2] - square[0])
    matrix = np.array([[factor, 0, -square[0] * factor], [0, factor, -square[1] * factor]])
    return warp(pixels, matrix, to_original, _SIDE)
