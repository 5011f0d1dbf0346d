"""Pure functions of boxes: (N, 4) float32 arrays, x0 y0 x1 y1 in pixels, x1 and y1 exclusive."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.types import F32


def box_area(boxes_xyxy: F32) -> F32:
    """Area of each box in square pixels, (N,) float32; zero for a box that is turned inside out."""
    sides = np.clip(boxes_xyxy[:, 2:4] - boxes_xyxy[:, 0:2], 0, None)
    area: F32 = sides[:, 0] * sides[:, 1]
    return area


def box_iou(boxes_a_xyxy: F32, boxes_b_xyxy: F32) -> F32:
    """Intersection over union of every box of A with every box of B, (N, M) float32 in [0, 1].

    Two boxes without area have an IoU of 0.
    """
    low = np.maximum(boxes_a_xyxy[:, None, 0:2], boxes_b_xyxy[None, :, 0:2])
    high = np.minimum(boxes_a_xyxy[:, None, 2:4], boxes_b_xyxy[None, :, 2:4])
    sides = np.clip(high - low, 0, None)
    inter = sides[..., 0] * sides[..., 1]
    union = box_area(boxes_a_xyxy)[:, None] + box_area(boxes_b_xyxy)[None, :] - inter
    iou: F32 = np.where(union > 0, inter / np.where(union > 0, union, 1), 0).astype(np.float32)
    return iou


def non_maximum_suppression(boxes_xyxy: F32, scores: F32, iou_threshold: float) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression.

    Args:
        boxes_xyxy: (N, 4) float32.
        scores: (N,) float32; higher is kept first, equal ones in their given order.
        iou_threshold: A box that overlaps a kept one by more than this is dropped, in [0, 1].

    Returns:
        Rows to keep, (K,) intp, by descending score.
    """
    order = np.argsort(-scores, kind="stable")
    iou = box_iou(boxes_xyxy, boxes_xyxy)
    kept: list[int] = []
    for row in order:
        if not kept or float(iou[row, kept].max()) <= iou_threshold:
            kept.append(int(row))
    return np.array(kept, dtype=np.intp)


def square_around(boxes_xyxy: F32, factor: float = 1.0) -> F32:
    """Squares about the centres of the boxes, side = factor × the longer side of the box, (N, 4) float32."""
    centre = (boxes_xyxy[:, 0:2] + boxes_xyxy[:, 2:4]) / 2
    half = (boxes_xyxy[:, 2:4] - boxes_xyxy[:, 0:2]).max(axis=1, initial=0)[:, None] * (factor / 2)
    squares: F32 = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    return squares


def prominence(boxes_xyxy: F32, confidences: F32, image_hw: tuple[int, int]) -> F32:
    """How much each face looks like the one the photo is about, (N,) float32, higher is more.

    The product of the detector's confidence, the side of the box and a centrality that falls from 1 in the middle of
    the photo to 1/4 in its corners. Portraits and LFW photos are centred on their subject; a larger bystander at the
    edge does not win over a face in the middle of at least a quarter of its size.
    """
    height, width = image_hw
    centre = (boxes_xyxy[:, 0:2] + boxes_xyxy[:, 2:4]) / 2
    offset = (centre / np.array([width, height], np.float32) - 0.5) * 2
    distance = np.clip(np.linalg.norm(offset, axis=1) / np.sqrt(2), 0, 1)
    score: F32 = (confidences * np.sqrt(box_area(boxes_xyxy)) * (1 - 0.75 * distance)).astype(np.float32)
    return score
