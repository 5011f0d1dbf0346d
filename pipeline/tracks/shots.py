"""Which shots of a face show it best."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import F32, F64, AlignedFaces, Detections, Image

_ENOUGH_PX = 112.0  # a face as large as its crop; what is larger is not seen better
_HALF_SHARP = 100.0  # variance of the Laplacian of a crop that counts half


def sharpness(crops: Image) -> F64:
    """Variance of the Laplacian of each crop, (N,) float64 (Pech-Pacheco et al., ICPR 2000); higher is sharper.

    Args:
        crops: (N, S, S, 3) uint8 RGB.
    """
    greys = (cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in crops)
    return np.array([cv2.Laplacian(grey, cv2.CV_64F).var() for grey in greys], np.float64)


def shot_quality(detections: Detections, aligned: AlignedFaces, norms: F32) -> F64:
    """How well each face of a frame can be recognised, (N,) float64, 0 or more; for comparing shots of one video.

    The product of the shorter side of its box up to 112 pixels, the detector's confidence, its sharpness (saturating),
    and the norm of its template, which falls for blurred, turned and covered faces (MagFace, CVPR 2021,
    arXiv:2103.06627, builds on that; other networks show it more weakly).
    """
    sides = (detections.boxes[:, 2:4] - detections.boxes[:, 0:2]).min(axis=1, initial=np.inf).astype(np.float64)
    size = np.clip(sides / _ENOUGH_PX, 0.0, 1.0)
    sharp = sharpness(aligned.crops)
    quality: F64 = size * detections.confidences * (sharp / (sharp + _HALF_SHARP)) * norms
    return quality
