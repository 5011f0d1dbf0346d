"""How each family of detecting networks is fed and read; `HEADS` names them as cards do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.blobs import planar
from pipeline.protocols import Array
from pipeline.types import F32, Image
from pipeline.weights.card import Preprocessing


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """Faces in pixels of the network's input: boxes (N, 4), confidences (N,), landmarks (N, 5, 2), float32."""

    boxes: F32
    confidences: F32
    landmarks: F32


class Head(Protocol):
    """What one family of networks does differently: its input, and how its outputs are read.

    Attributes:
        max_batch: Canvases in one pass; 1 for networks whose batch is fixed.
    """

    max_batch: int

    def blob(self, canvases: Sequence[Image]) -> Array:
        """The network's input for B canvases (H, W, 3) uint8 RGB of one size."""
        ...

    def decode(self, outputs: dict[str, Array], canvas_hw: tuple[int, int], min_confidence: float) -> list[Raw]:
        """The faces of each of the B canvases."""
        ...


class YuNetHead:
    """YuNet (Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector", MIR 2023), anchor-free, three strides.

    confidence = sqrt(cls · obj); centre = (cell + b[0:2]) · stride; size = exp(b[2:4]) · stride;
    landmark = (cell + k) · stride.
    """

    max_batch = 16
    strides = (8, 16, 32)

    def blob(self, canvases: Sequence[Image]) -> Array:
        """(B, 3, H, W) float32 BGR in 0..255."""
        return planar(canvases, bgr=True)

    def decode(self, outputs: dict[str, Array], canvas_hw: tuple[int, int], min_confidence: float) -> list[Raw]:
        """Reads cls, obj, bbox and kps of each stride."""
        batch = next(iter(outputs.values())).shape[0]
        parts: list[list[Raw]] = [[] for _ in range(batch)]
        for stride in self.strides:
            cls, obj = outputs[f"cls_{stride}"][..., 0], outputs[f"obj_{stride}"][..., 0]
            confidence = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
            columns = canvas_hw[1] // stride
            for image in range(batch):
                (rows,) = np.nonzero(confidence[image] >= min_confidence)
                if not len(rows):
                    continue
                cell = np.stack([rows % columns, rows // columns], axis=1).astype(np.float32)
                box = outputs[f"bbox_{stride}"][image, rows]
                centre = (cell + box[:, 0:2]) * stride
                half = np.exp(np.minimum(box[:, 2:4], 8.0)) * (stride / 2)
                points = (outputs[f"kps_{stride}"][image, rows].reshape(-1, 5, 2) + cell[:, None]) * stride
                boxes = np.concatenate([centre - half, centre + half], axis=1)
                parts[image].append(Raw(boxes, confidence[image, rows], points))
        return [concatenate(p) for p in parts]


class ScrfdHead:
    """SCRFD as in InsightFace's packs: two anchors a cell, distances to the four sides, three strides.

    Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", ICLR 2022, arXiv:2105.04714.
    """

    max_batch = 1
    strides = (8, 16, 32)

    def __init__(self, preprocessing: Preprocessing) -> None:
        self._mean, self._std = preprocessing.mean[0], preprocessing.std[0]

    def blob(self, canvases: Sequence[Image]) -> Array:
        """(B, 3, H, W) float32 RGB, (x − mean) / std."""
        return planar(canvases, mean=self._mean, std=self._std)

    def decode(self, outputs: dict[str, Array], canvas_hw: tuple[int, int], min_confidence: float) -> list[Raw]:
        """Outputs in their order: three of scores, three of box distances, three of landmark distances."""
        names = list(outputs)
        parts = []
        for level, stride in enumerate(self.strides):
            scores, boxes, points = (
                outputs[names[level + 3 * kind]].reshape(-1, n) for kind, n in enumerate((1, 4, 10))
            )
            (rows,) = np.nonzero(scores[:, 0] >= min_confidence)
            anchors = len(scores) // ((canvas_hw[0] // stride) * (canvas_hw[1] // stride))
            cell = rows // anchors
            centre = (
                np.stack([cell % (canvas_hw[1] // stride), cell // (canvas_hw[1] // stride)], axis=1) * stride
            ).astype(np.float32)
            distance = boxes[rows] * stride
            xyxy = np.concatenate([centre - distance[:, 0:2], centre + distance[:, 2:4]], axis=1)
            landmarks = points[rows].reshape(-1, 5, 2) * stride + centre[:, None]
            parts.append(Raw(xyxy, np.clip(scores[rows, 0], 0, 1), landmarks))
        return [concatenate(parts)]


def concatenate(parts: Sequence[Raw]) -> Raw:
    """The faces of all parts, in their order."""
    if not parts:
        return Raw(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))
    return Raw(
        np.concatenate([p.boxes for p in parts]).astype(np.float32, copy=False),
        np.concatenate([p.confidences for p in parts]).astype(np.float32, copy=False),
        np.concatenate([p.landmarks for p in parts]).astype(np.float32, copy=False),
    )


#: A new family is a head, and a line here.
HEADS: dict[str, Callable[[Preprocessing], Head]] = {
    "yunet": lambda _: YuNetHead(),
    "scrfd": ScrfdHead,
}
