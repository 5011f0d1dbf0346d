"""Presentation attack detection on a single photo: is this a face, or a picture of one?"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.images import Photo
from pipeline.protocols import Session
from pipeline.types import F32, Decision, Detections, Image, LivenessPoint

_BATCH = 16


class CropLiveness:
    """A network that looks at the face with what is around it: hands, edges of paper, a screen.

    Args:
        session: (N, 3, S, S) float32 BGR in, (N, classes) logits out; class 0 is live.
        model_id: Identity of its scores.
        size: S, side of its input in pixels.
        context: Side of the square that is looked at, in multiples of the face's box.
    """

    def __init__(self, session: Session, model_id: str, size: int = 128, context: float = 2.7) -> None:
        self._session, self._model_id, self._size, self._context = session, model_id, size, context

    @property
    def model_id(self) -> str:
        """The model whose scores these are."""
        return self._model_id

    def live_scores(self, photo: Photo, detections: Detections) -> F32:
        """How sure the network is that each face is live.

        Returns:
            (N,) float32 in [0, 1].

        Raises:
            PhotoError: The photo cannot be decoded.
        """
        if not len(detections):
            return np.zeros(0, np.float32)
        pixels = photo.pixels()
        patches = np.stack([self._patch(pixels, box) for box in detections.boxes])
        inputs = np.ascontiguousarray(patches[..., ::-1].transpose(0, 3, 1, 2), np.float32)
        scores = [self._scores(inputs[start : start + _BATCH]) for start in range(0, len(inputs), _BATCH)]
        return np.concatenate(scores)

    def _scores(self, inputs: F32) -> F32:
        outputs = self._session.run({self._session.inputs[0]: inputs})
        logits = outputs[self._session.outputs[0]].astype(np.float64)
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        live: F32 = (exponents[:, 0] / exponents.sum(axis=1)).astype(np.float32)
        return live

    def _patch(self, pixels: Image, box: F32) -> Image:
        x0, y0, x1, y1 = context_box(box, self._context, (pixels.shape[0], pixels.shape[1]))
        patch: Image = cv2.resize(pixels[y0:y1, x0:x1], (self._size, self._size), interpolation=cv2.INTER_LINEAR)
        return patch


def context_box(box: F32, context: float, image_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box enlarged about its middle, less where the photo is smaller, and pushed inside the photo.

    Args:
        box: (4,) x0 y0 x1 y1 in pixels; may reach past the edges.
        context: How many times larger.
        image_hw: Height and width of the photo.

    Returns:
        x0, y0, x1, y1: whole pixels inside the photo, at least one each way.
    """
    height, width = image_hw
    x0, y0, x1, y1 = (float(v) for v in box)
    across, down = max(x1 - x0, 1.0), max(y1 - y0, 1.0)
    scale = min((height - 1) / down, (width - 1) / across, context)
    across, down = across * scale, down * scale
    left = min(max((x0 + x1 - across) / 2, 0.0), max(width - 1 - across, 0.0))
    top = min(max((y0 + y1 - down) / 2, 0.0), max(height - 1 - down, 0.0))
    left_px, top_px = min(int(left), width - 1), min(int(top), height - 1)
    return left_px, top_px, max(int(left + across), left_px + 1), max(int(top + down), top_px + 1)


def hold_against(decision: Decision, live: float | None, point: LivenessPoint | None) -> Decision:
    """The decision about a face, or that it is not taken for a live one: then nobody is named.

    Args:
        decision: What recognition says.
        live: Score of the face; None where liveness was not asked for.
        point: Which score is live; None likewise.
    """
    if live is None or point is None or live >= point.threshold:
        return decision
    reason = not_live(live, point)
    return Decision("not_live", decision.score, decision.threshold, reason, decision.model_id, origin=decision.origin)


def not_live(live: float, point: LivenessPoint) -> str:
    """Why a face is not taken for a live one."""
    tried = ", ".join(f"{rate.kind}: {rate.apcer:.1%} of {rate.attacks} missed" for rate in point.attacks)
    return (
        f"This looks like a picture of a face, not a live one: the liveness score {live:.3f} stays below "
        f"{point.threshold:.3f}, at which {point.bpcer:.1%} of {point.live} live faces were refused ({tried})."
    )
