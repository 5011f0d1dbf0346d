"""Alignment: a least-squares similarity from five landmarks to a template (Umeyama 1991), then one warp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import DegenerateLandmarksError
from pipeline.images import Photo
from pipeline.types import F32, F64, AlignedFaces, Detections
from pipeline.warp import warp

#: The usual 112x112 template: left eye, right eye, nose, mouth corners, in pixels of the crop
#: (InsightFace, "arcface_dst"; Deng et al., ArcFace, CVPR 2019, arXiv:1801.07698, section 4.1).
ARCFACE_112: F64 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)

#: The template of dlib's ResNet, 150x150.
DLIB_150: F64 = np.array([[47.6, 45.6], [103.1, 46.1], [75.5, 77.4], [51.3, 100.9], [99.6, 102.2]])

#: Templates by the name that stands in a model card, with the side of their crop in pixels.
TEMPLATES: dict[str, tuple[F64, int]] = {"arcface-112": (ARCFACE_112, 112), "dlib-150": (DLIB_150, 150)}

View = tuple[str, float]
"""A way to cut a face out: name of the template, and zoom."""

_MIN_SPREAD_PX = 0.5


def similarity_transforms(landmarks: F32 | F64, template: F64) -> F64:
    """Least-squares similarity transforms (rotation, uniform scale, translation; no reflection).

    With centred points as complex numbers z (source) and w (target), the minimiser of Σ|a·z − w|² is
    a = Σ conj(z)·w / Σ|z|²: Umeyama's solution (1991, eq. 40-42) in the plane with det R = +1.

    Args:
        landmarks: (N, P, 2) source points in pixels.
        template: (P, 2) target points in pixels.

    Returns:
        (N, 2, 3) float64 matrices M with target ≈ M[:, :2] · source + M[:, 2].

    Raises:
        DegenerateLandmarksError: A face's points are not finite or (nearly) coincide.
    """
    source = np.asarray(landmarks, np.float64)
    if not np.all(np.isfinite(source)):
        raise DegenerateLandmarksError("the landmarks of a face are not finite numbers: use a clearer photo")
    source_mean = source.mean(axis=1, keepdims=True)
    target_mean = template.mean(axis=0)
    z = (source - source_mean) @ np.array([1, 1j])
    w = (template - target_mean) @ np.array([1, 1j])
    power = (z.real**2 + z.imag**2).sum(axis=1)
    if np.any(power < _MIN_SPREAD_PX**2 * source.shape[1]):
        raise DegenerateLandmarksError(
            "the landmarks of a face coincide, so it cannot be turned upright: use a clearer photo"
        )
    a = (np.conj(z) * w).sum(axis=1) / power
    if np.any(np.abs(a) < 1e-6):
        raise DegenerateLandmarksError("the landmarks of a face do not resemble a face: use a clearer photo")
    linear = np.stack([np.stack([a.real, -a.imag], axis=-1), np.stack([a.imag, a.real], axis=-1)], axis=-2)
    translation = target_mean - (linear @ source_mean.transpose(0, 2, 1))[..., 0]
    matrices: F64 = np.concatenate([linear, translation[..., None]], axis=2)
    return matrices


class TemplateAligner:
    """Cuts faces out by five landmarks, from as much resolution as the crop can use.

    Args:
        template: Name of a template in TEMPLATES.
        zoom: Enlarges the face about the middle of the crop by this factor.

    Attributes:
        views: In which ways it cuts a face out.

    Raises:
        KeyError: There is no such template.
    """

    def __init__(self, template: str = "arcface-112", zoom: float = 1.0) -> None:
        self.views: tuple[View, ...] = ((template, zoom),)
        points, self._size = TEMPLATES[template]
        middle = (self._size - 1) / 2
        self._points: F64 = points if zoom == 1.0 else (points - middle) * zoom + middle

    @property
    def size(self) -> int:
        """Side of the square crop in pixels."""
        return self._size

    def align(self, photo: Photo, detections: Detections) -> AlignedFaces:
        """One crop per detection, in their order; black where the crop reaches past the photo.

        Raises:
            DegenerateLandmarksError: The landmarks of a face do not determine a similarity; names the photo.
        """
        if not len(detections):
            return AlignedFaces.concatenate([], self._size)
        try:
            matrices = similarity_transforms(detections.landmarks, self._points)
        except DegenerateLandmarksError as error:
            raise DegenerateLandmarksError(f"{photo.source}: {error}") from error
        scale = float(np.sqrt(np.abs(np.linalg.det(matrices[:, :, :2])).max()))
        pixels = photo.pixels(int(np.ceil(max(photo.image_hw) * min(1.0, scale))))
        to_original = np.array(photo.image_hw[::-1], np.float64) / np.array(pixels.shape[1::-1], np.float64)
        crops = np.stack([warp(pixels, matrix, to_original, self._size) for matrix in matrices])
        return AlignedFaces(crops, matrices.astype(np.float32))


class SeveralAligner:
    """Cuts each face out in several ways: the first gives the crops, the rest `others`.

    Args:
        aligners: At least one.

    Attributes:
        views: In which ways it cuts a face out.
    """

    def __init__(self, aligners: Sequence[TemplateAligner]) -> None:
        self._first, *self._rest = aligners
        self.views: tuple[View, ...] = tuple(view for aligner in aligners for view in aligner.views)

    @property
    def size(self) -> int:
        """Side of the first crop in pixels."""
        return self._first.size

    def align(self, photo: Photo, detections: Detections) -> AlignedFaces:
        """One row per detection, in their order.

        Raises:
            DegenerateLandmarksError: The landmarks of a face do not determine a similarity; names the photo.
        """
        first = self._first.align(photo, detections)
        others = tuple(aligner.align(photo, detections) for aligner in self._rest)
        return AlignedFaces(first.crops, first.transforms, others)
