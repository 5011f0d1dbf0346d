"""Are the eyes open? A network that looks at one eye at a time."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.images import Photo
from pipeline.protocols import Session
from pipeline.types import F32, F64, Detections, Image
from pipeline.warp import warp

_BATCH = 32


class EyeState:
    """Looks at a square about each eye, upright along the line of the eyes.

    Args:
        session: (N, 1, S, S) float32 luminance in [0, 1] in, (N, 2) logits out; class 0 is closed.
        model_id: Identity of its scores.
        size: S, side of its input in pixels.
        context: Side of the square in distances of the eyes.
    """

    def __init__(self, session: Session, model_id: str, size: int = 24, context: float = 0.6) -> None:
        self._session, self._model_id, self._size, self._context = session, model_id, size, context

    @property
    def model_id(self) -> str:
        """The model whose scores these are."""
        return self._model_id

    def open_scores(self, photo: Photo, detections: Detections) -> F32:
        """How sure the network is that the eye that is more open is open.

        Returns:
            (N,) float32 in [0, 1].

        Raises:
            PhotoError: The photo cannot be decoded.
        """
        if not len(detections):
            return np.zeros(0, np.float32)
        pixels = photo.pixels()
        scale = np.array(photo.image_hw[::-1], np.float64) / np.array(pixels.shape[1::-1], np.float64)
        eyes = [self._eye(pixels, points, eye, scale) for points in detections.landmarks for eye in (0, 1)]
        inputs = np.stack(eyes)[:, None].astype(np.float32) / np.float32(255)
        logits = np.concatenate([self._logits(inputs[i : i + _BATCH]) for i in range(0, len(inputs), _BATCH)])
        margin = np.clip(logits[:, 1] - logits[:, 0], -60, 60).reshape(-1, 2).max(axis=1)
        scores: F32 = (1 / (1 + np.exp(-margin))).astype(np.float32)
        return scores

    def _logits(self, inputs: F32) -> F64:
        return self._session.run({self._session.inputs[0]: inputs})[self._session.outputs[0]].astype(np.float64)

    def _eye(self, pixels: Image, landmarks: F32, eye: int, scale: F64) -> Image:
        """(S, S) uint8 luminance."""
        points = landmarks.astype(np.float64)
        across = points[1] - points[0]
        distance = max(float(np.hypot(*across)), 1e-3)
        right = across / distance * self._size / (self._context * distance)
        turn = np.array([[right[0], right[1]], [-right[1], right[0]]])
        middle = (self._size - 1) / 2
        matrix = np.column_stack([turn, middle - turn @ points[eye]])
        grey: Image = cv2.cvtColor(warp(pixels, matrix, scale, self._size), cv2.COLOR_RGB2GRAY)
        return grey
