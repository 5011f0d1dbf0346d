"""pipeline.boxes against definitions written out in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.boxes import box_area, box_iou, non_maximum_suppression, prominence, square_around

Box = tuple[float, float, float, float]
# Whole numbers, so that ties in score and overlap are common and exact.
a_box = st.builds(
    lambda x, y, w, h: (x, y, x + w, y + h),
    st.integers(-20, 40),
    st.integers(-20, 40),
    st.integers(0, 30),
    st.integers(0, 30),
)
some_boxes = st.lists(a_box, max_size=9)


def array(boxes: list[Box]) -> np.ndarray:
    return np.array(boxes, np.float32).reshape(-1, 4)


def slow_area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def slow_iou(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inter = width * height if width > 0 and height > 0 else 0.0
    union = slow_area(a) + slow_area(b) - inter
    return inter / union if union > 0 else 0.0


def slow_nms(boxes: list[Box], scores: list[float], threshold: float) -> list[int]:
    """Take the best that is left (the first of equals), strike out what overlaps it, repeat."""
    left = list(range(len(boxes)))
    kept = []
    while left:
        best = max(left, key=lambda row: (scores[row], -row))
        kept.append(best)
        left = [row for row in left if row != best and np.float32(slow_iou(boxes[row], boxes[best])) <= threshold]
    return kept


@given(some_boxes, some_boxes)
def test_iou_is_the_definition(a: list[Box], b: list[Box]) -> None:
    iou = box_iou(array(a), array(b))
    assert iou.shape == (len(a), len(b))
    assert iou.dtype == np.float32
    for i, one in enumerate(a):
        assert box_area(array(a))[i] == slow_area(one)
        for j, other in enumerate(b):
            assert iou[i, j] == pytest.approx(slow_iou(one, other), abs=1e-6)


def test_a_box_turned_inside_out_has_no_area() -> None:
    inside_out = array([(10, 10, 0, 0)])
    assert box_area(inside_out)[0] == 0
    assert box_iou(inside_out, inside_out)[0, 0] == 0


@given(some_boxes, st.sampled_from([0.0, 0.25, 0.4, 0.5, 1.0]), st.data())
def test_nms_is_the_definition_with_ties(boxes: list[Box], threshold: float, data: st.DataObject) -> None:
    scores = data.draw(st.lists(st.sampled_from([0.25, 0.5, 0.75]), min_size=len(boxes), max_size=len(boxes)))
    kept = non_maximum_suppression(array(boxes), np.array(scores, np.float32), threshold)
    assert kept.tolist() == slow_nms(boxes, scores, threshold)


def test_nms_keeps_a_chain_whose_middle_is_struck_out() -> None:
    boxes = array([(0, 0, 10, 10), (4, 0, 14, 10), (8, 0, 18, 10)])  # each overlaps its neighbour only
    assert non_maximum_suppression(boxes, np.array([0.9, 0.8, 0.7], np.float32), 0.4).tolist() == [0, 2]


def test_an_overlap_of_exactly_the_threshold_is_kept() -> None:
    boxes = array([(0, 0, 10, 10), (0, 0, 10, 5)])
    assert non_maximum_suppression(boxes, np.array([0.9, 0.8], np.float32), 0.5).tolist() == [0, 1]
    assert non_maximum_suppression(boxes, np.array([0.9, 0.8], np.float32), 0.49).tolist() == [0]


@given(some_boxes, st.sampled_from([1.0, 1.3]))
def test_squares_have_the_longer_side_and_the_same_centre(boxes: list[Box], factor: float) -> None:
    squares = square_around(array(boxes), factor)
    assert squares.shape == (len(boxes), 4)
    for square, box in zip(squares, boxes, strict=True):
        side = max(box[2] - box[0], box[3] - box[1]) * factor
        assert square[2] - square[0] == pytest.approx(side, abs=1e-4)
        assert square[3] - square[1] == pytest.approx(side, abs=1e-4)
        assert (square[0] + square[2]) / 2 == pytest.approx((box[0] + box[2]) / 2, abs=1e-4)
        assert (square[1] + square[3]) / 2 == pytest.approx((box[1] + box[3]) / 2, abs=1e-4)


def test_prominence_is_confidence_times_side_times_centrality() -> None:
    middle, corner, small = (40, 40, 60, 60), (-10, -10, 10, 10), (48, 48, 52, 52)
    values = prominence(array([middle, corner, small]), np.array([0.8, 0.8, 0.8], np.float32), (100, 100))
    assert values.tolist() == pytest.approx([0.8 * 20, 0.8 * 20 / 4, 0.8 * 4], rel=1e-5)
    wide = prominence(array([(190, 40, 210, 60)]), np.array([1.0], np.float32), (100, 200))
    assert wide[0] == pytest.approx(20 * (1 - 0.75 / np.sqrt(2)), rel=1e-5), "half height, right edge"


def test_a_bystander_at_the_edge_does_not_win_over_the_face_in_the_middle() -> None:
    middle, edge = (45, 45, 55, 55), (70, 0, 100, 30)
    confidence = np.array([0.9, 0.9], np.float32)
    assert np.argmax(prominence(array([(42, 42, 58, 58), edge]), confidence, (100, 100))) == 0
    assert np.argmax(prominence(array([middle, (10, 10, 90, 90)]), confidence, (100, 100))) == 1
