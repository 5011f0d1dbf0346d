"""Is it flat? What is seen of a plane before and after it turned is one homography apart; of a head it is not.

Corners of the skin are followed from frame to frame (Lucas and Kanade 1981; pyramids: Bouguet 2000; forward and back:
Kalal et al., ICPR 2010). The homography that fits the points best takes them back (Hartley and Zisserman, Multiple View
Geometry, 2004, chapter 13: points of a plane and no others obey one); what is left over, in distances of the eyes, is
the relief. The landmarks of a detector do not do for this: on a flat picture that is turned they move as if it
were a head (docs/liveness.md).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.types import F32, Image

_EYES_PX = 64.0  # the face is followed at no larger size
_POINTS, _LEAST_POINTS = 120, 20
_LEAST_KEPT = 0.3  # of the points at the beginning
_CORNER_QUALITY, _APART_EYES, _BLOCK = 0.005, 0.06, 5
_AXES_EYES = (1.7, 2.2)  # of the ellipse in which points are taken: eyebrows to chin, cheek to cheek
_MIDDLE = 0.45  # its middle: so far from the mouth to the eyes
_WINDOW, _LEVELS = (15, 15), 3
_BACK_PX = 0.7  # a point that does not come back to within this is lost
_TRIMMED = 0.9  # share of the points that count: the worst may have slipped


class Surface:
    """The surface of one face, followed from an anchor."""

    def __init__(self) -> None:
        self._scale = self._eyes = 1.0
        self._before: Image = np.zeros((0, 0), np.uint8)
        self._began: F32 = np.zeros((0, 1, 2), np.float32)
        self._now = self._began
        self._count = 0

    def anchor(self, grey: Image, landmarks: F32) -> None:
        """Begins anew, from a face that looks straight ahead.

        Args:
            grey: (H, W) uint8 frame.
            landmarks: (5, 2) of the face, as in `Detections`.
        """
        eyes = max(float(np.linalg.norm(landmarks[1] - landmarks[0])), 1e-3)
        self._scale = min(1.0, _EYES_PX / eyes)
        self._eyes, self._before = eyes * self._scale, _resized(grey, self._scale)
        inside = _ellipse(self._before.shape, landmarks.astype(np.float64) * self._scale, self._eyes)
        apart = max(2.0, _APART_EYES * self._eyes)
        found = cv2.goodFeaturesToTrack(
            self._before, _POINTS, _CORNER_QUALITY, apart, mask=inside, blockSize=_BLOCK, useHarrisDetector=False
        )
        self._began = np.zeros((0, 1, 2), np.float32) if found is None else found.astype(np.float32)
        self._now, self._count = self._began, len(self._began)

    def follow(self, grey: Image) -> float | None:
        """Follows the points into the next frame, (H, W) uint8.

        Returns:
            The relief so far: root mean square of what no homography explains, in distances of the eyes, less the worst
            tenth of the points. None where too few points are left to tell.
        """
        after = _resized(grey, self._scale)
        if after.shape != self._before.shape:
            self._now = self._began = self._began[:0]
        if len(self._now):
            there, held = _step(self._before, after, self._now)
            self._now, self._began = there[held], self._began[held]
        self._before = after
        if len(self._now) < max(_LEAST_POINTS, _LEAST_KEPT * self._count):
            return None
        return _relief(self._began, self._now, self._eyes)


def _step(before: Image, after: Image, points: F32) -> tuple[F32, npt.NDArray[np.bool_]]:
    """Where points are in the next frame, and which of them were found there and back."""
    how = {"winSize": _WINDOW, "maxLevel": _LEVELS}
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, np.empty_like(points), **how)  # type: ignore[call-overload]
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, np.empty_like(points), **how)  # type: ignore[call-overload]
    near = np.linalg.norm((back - points)[:, 0], axis=1) < _BACK_PX
    return there, (found[:, 0] == 1) & (found_back[:, 0] == 1) & near


def _relief(began: F32, now: F32, eyes: float) -> float | None:
    homography, _ = cv2.findHomography(began, now, 0)
    if homography is None or not np.all(np.isfinite(homography)) or np.linalg.cond(homography) > 1e12:
        return None
    back = cv2.perspectiveTransform(now.astype(np.float64), np.linalg.inv(homography))
    left = np.sort(np.linalg.norm((back - began)[:, 0], axis=1))[: int(_TRIMMED * len(began))]
    return float(np.sqrt(np.mean(left**2)) / eyes)


def _resized(grey: Image, scale: float) -> Image:
    if scale >= 1:
        return grey
    made: Image = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return made


def _ellipse(shape: tuple[int, ...], landmarks: npt.NDArray[np.float64], eyes: float) -> Image:
    """Where the face is, (H, W) uint8."""
    middle = _MIDDLE * landmarks[:2].mean(axis=0) + (1 - _MIDDLE) * landmarks[3:].mean(axis=0)
    across = landmarks[1] - landmarks[0]
    turned = float(np.degrees(np.arctan2(across[1], across[0])))
    mask = np.zeros(shape, np.uint8)
    axes = (_AXES_EYES[0] * eyes, _AXES_EYES[1] * eyes)
    cv2.ellipse(mask, ((float(middle[0]), float(middle[1])), axes, turned), 255, -1)
    return mask
