"""Face detection on more than one scale, merged by non-maximum suppression.

A single pass misses either the face that fills the frame (larger than the network's largest receptive field) or the
small one in a group photo. So each photo is detected at the largest scale allowed and at coarser ones, each four times
smaller than the one before, until the longer side is about 160 pixels. Each scale answers for the sizes it is good at:
what looks like a face larger than 320 pixels there (often a cheek or a chin of the real one) is left to the next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.boxes import non_maximum_suppression, prominence
from pipeline.detect.heads import Head, Raw, concatenate
from pipeline.images import Photo
from pipeline.protocols import Session
from pipeline.types import F32, Detections, Image

_STRIDE = 32
_STEP = 4
#: Side of the coarsest scale in pixels, and the side at which no coarser one is needed.
_COARSEST_SIDE = 160
_COARSE_ENOUGH = 320
#: Largest face, in pixels of its canvas, that is believed where a coarser scale sees it as well.
_LARGEST_FACE = 320
#: Pixels in one pass through the network; larger batches gain nothing on a CPU and cost memory.
_BATCH_PIXELS = 8 * 320 * 320


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """How a photo is searched.

    Attributes:
        min_side: Photos whose longer side is shorter are enlarged to this many pixels.
        max_side: The largest scale: its longer side in pixels.
        min_confidence: Faces below are dropped, in [0, 1].
        nms_iou: Boxes that overlap by more than this are one face, in (0, 1].
        min_face: Faces whose box has a shorter side below this many pixels of the original photo are dropped.
    """

    min_side: int = 320
    max_side: int = 3264
    min_confidence: float = 0.6
    nms_iou: float = 0.4
    min_face: float = 16.0


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """One photo at one scale.

    Attributes:
        photo: Its row in the batch.
        canvas: What the network sees.
        scale_xy: Original pixels per pixel of the canvas.
        coarsest: No coarser scale follows.
    """

    photo: int
    canvas: Image
    scale_xy: F32
    coarsest: bool


class MultiScaleDetector:
    """Runs a network over the scales of a photo.

    Args:
        session: The network.
        head: How it is fed and read.
        settings: How a photo is searched.
    """

    def __init__(self, session: Session, head: Head, settings: DetectionSettings) -> None:
        self._session, self._head, self._settings = session, head, settings

    @property
    def runtime(self) -> str:
        """What runs it, and in which precision."""
        return self._session.runtime

    def detect(self, photo: Photo) -> Detections:
        """The faces of one photo in pixels of the original photo, most prominent first."""
        return self.detect_batch([photo])[0]

    def detect_batch(self, photos: Sequence[Photo]) -> list[Detections]:
        """The same for several photos; canvases of equal size go through the network together."""
        groups: dict[tuple[int, ...], list[_Level]] = defaultdict(list)
        for row, photo in enumerate(photos):
            for level in self._levels(row, photo):
                groups[level.canvas.shape].append(level)
        found: list[list[Raw]] = [[] for _ in photos]
        for shape, levels in groups.items():
            step = max(1, min(self._head.max_batch, _BATCH_PIXELS // (shape[0] * shape[1])))
            for start in range(0, len(levels), step):
                self._run(levels[start : start + step], found)
        return [self._merge(parts, photo.image_hw) for parts, photo in zip(found, photos, strict=True)]

    def _levels(self, row: int, photo: Photo) -> list[_Level]:
        """The photo's canvases, largest first; each is shrunk from the one before."""
        longest = max(photo.image_hw)
        side = min(max(longest, self._settings.min_side), self._settings.max_side)
        image = photo.pixels(side)
        levels = []
        while True:
            image = _resized(image, side, photo.image_hw)
            scale = (np.array(photo.image_hw[::-1]) / np.array(image.shape[1::-1])).astype(np.float32)
            coarsest = side <= _COARSE_ENOUGH
            levels.append(_Level(row, _padded(image), scale, coarsest))
            if coarsest:
                return levels
            side = max(side // _STEP, _COARSEST_SIDE)

    def _run(self, levels: Sequence[_Level], found: list[list[Raw]]) -> None:
        blob = self._head.blob([level.canvas for level in levels])
        outputs = self._session.run({self._session.inputs[0]: blob})
        decoded = self._head.decode(outputs, levels[0].canvas.shape[:2], self._settings.min_confidence)
        for level, raw in zip(levels, decoded, strict=True):
            if len(raw.boxes):
                kept = raw if level.coarsest else _no_larger_than(raw, _LARGEST_FACE)
                found[level.photo].append(_to_original(kept, level.scale_xy))

    def _merge(self, parts: Sequence[Raw], image_hw: tuple[int, int]) -> Detections:
        if not parts:
            return Detections.empty(image_hw)
        raw = concatenate(parts)
        sides = (raw.boxes[:, 2:4] - raw.boxes[:, 0:2]).min(axis=1)
        finite = np.isfinite(raw.boxes).all(axis=1) & np.isfinite(raw.landmarks).all(axis=(1, 2))
        keep = np.nonzero(finite & (sides >= self._settings.min_face))[0]
        keep = keep[non_maximum_suppression(raw.boxes[keep], raw.confidences[keep], self._settings.nms_iou)]
        keep = keep[np.argsort(-prominence(raw.boxes[keep], raw.confidences[keep], image_hw), kind="stable")]
        return Detections(raw.boxes[keep], raw.confidences[keep], raw.landmarks[keep], image_hw)


def _resized(image: Image, side: int, image_hw: tuple[int, int]) -> Image:
    """The photo with its longer side at `side` pixels."""
    factor = side / max(image_hw)
    size = (max(1, round(image_hw[1] * factor)), max(1, round(image_hw[0] * factor)))
    if size == image.shape[1::-1]:
        return image
    shrinks = size[0] < image.shape[1]
    resized: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized


def _padded(image: Image) -> Image:
    """Black added right and below until both sides are multiples of the network's largest stride."""
    height, width = image.shape[:2]
    below, right = -height % _STRIDE, -width % _STRIDE
    if not below and not right:
        return image
    canvas: Image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT)
    return canvas


def _no_larger_than(raw: Raw, side_px: float) -> Raw:
    rows = (raw.boxes[:, 2:4] - raw.boxes[:, 0:2]).max(axis=1) <= side_px
    return Raw(raw.boxes[rows], raw.confidences[rows], raw.landmarks[rows])


def _to_original(raw: Raw, scale_xy: F32) -> Raw:
    """From canvas to original pixels; pixel centres lie at whole numbers, hence the halves."""
    shift = (scale_xy - 1) / 2
    boxes = raw.boxes * np.tile(scale_xy, 2) + np.tile(shift, 2)
    return Raw(boxes.astype(np.float32), raw.confidences, (raw.landmarks * scale_xy + shift).astype(np.float32))
