"""Measures of a face image, each in a unit of its own. Pure functions of aligned crops, boxes and landmarks."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.quality.pose import head_pose_deg
from pipeline.types import F32, QUALITY_COMPONENTS, AlignedFaces, Detections, Image

Mask = npt.NDArray[np.bool_]

#: ISO/IEC 29794-5: shares of pixels at most this dark, at least this bright (luminance of 0 to 255).
_DARK, _BRIGHT = 25, 247
#: Where in a crop the face is: an ellipse, and left and right of its middle; in shares of the crop's side.
_CENTRE, _RADII = (0.5, 0.59), (0.36, 0.45)
_SIDES_Y, _LEFT_X, _RIGHT_X = (0.36, 0.85), (0.18, 0.5), (0.5, 0.82)
_SIDE_BINS = 32
#: Below this variance of the Laplacian a crop is as good as one colour.
_FLAT = 1e-3


def native(detections: Detections, faces: AlignedFaces, jpeg_quality: float | None, eyes: F32 | None = None) -> F32:
    """The measure behind every component.

    Args:
        detections: N faces of one photo.
        faces: Their crops.
        jpeg_quality: Of the photo, 1 to 100; None where it is no JPEG.
        eyes: (N,) how surely an eye is open, in [0, 1]; None where that is not looked at.

    Returns:
        (N, C) float32, a column for each of QUALITY_COMPONENTS: log10 of the variance of the Laplacian; bits; share
        dark; share bright; shared light of both sides; three angles in degrees; pixels between the eyes; share of the
        box inside the photo; quality of the JPEG; how surely an eye is open. NaN where it cannot be known.
    """
    found = np.full((len(detections), len(QUALITY_COMPONENTS)), np.nan, np.float32)
    if not len(detections):
        return found
    inside = _ellipse(faces.crops.shape[1])
    for row, crop in enumerate(faces.crops):
        found[row, :5] = _luminance(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), inside)
    found[:, 5:8] = head_pose_deg(detections.landmarks)
    found[:, 8] = np.linalg.norm(detections.landmarks[:, 1] - detections.landmarks[:, 0], axis=1)
    found[:, 9] = _share_inside(detections)
    if jpeg_quality is not None:
        found[:, 10] = jpeg_quality
    if eyes is not None:
        found[:, 11] = eyes
    return found


@lru_cache(maxsize=8)
def _ellipse(side: int) -> Mask:
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    result: Mask = ((x - _CENTRE[0]) / _RADII[0]) ** 2 + ((y - _CENTRE[1]) / _RADII[1]) ** 2 <= 1
    result.setflags(write=False)
    return result


def _luminance(grey: Image, inside: Mask) -> tuple[float, ...]:
    values = grey[inside]
    sharpness = np.log10(cv2.Laplacian(grey.astype(np.float32), cv2.CV_32F)[inside].var() + _FLAT)
    shares = np.bincount(values, minlength=256) / values.size
    used = shares[shares > 0]
    entropy = -float((used * np.log2(used)).sum())
    return float(sharpness), entropy, float(shares[: _DARK + 1].sum()), float(shares[_BRIGHT:].sum()), _sides(grey)


def _sides(grey: Image) -> float:
    """Intersection of the histograms of both sides of the face (OFIQ, illumination uniformity)."""
    side = grey.shape[0]
    top, bottom = (round(share * side) for share in _SIDES_Y)
    both = []
    for left, right in (_LEFT_X, _RIGHT_X):
        patch = grey[top:bottom, round(left * side) : round(right * side)]
        both.append(np.bincount(patch.ravel() // (256 // _SIDE_BINS), minlength=_SIDE_BINS) / patch.size)
    return float(np.minimum(*both).sum())


def _share_inside(detections: Detections) -> F32:
    height, width = detections.image_hw
    x0, y0, x1, y1 = detections.boxes.T
    across = np.clip(np.minimum(x1, width) - np.maximum(x0, 0), 0, None)
    down = np.clip(np.minimum(y1, height) - np.maximum(y0, 0), 0, None)
    area = (x1 - x0) * (y1 - y0)
    return np.where(area > 0, across * down / np.maximum(area, 1e-6), 0).astype(np.float32)
