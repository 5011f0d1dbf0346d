"""What the networks of detectors put out, read cell by cell and anchor by anchor with `math` alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.detect import ScrfdHead, YuNetHead
from pipeline.protocols import Array
from pipeline.weights.card import Preprocessing
from tests.fakes import outputs_of_yunet


def slow_yunet(outputs: dict[str, Array], image: int, hw: tuple[int, int], least: float) -> list[list[float]]:
    """Cell by cell, as the paper's authors publish it (libfacedetection): a row is box, confidence, landmarks."""
    rows = []
    for stride in (8, 16, 32):
        cell = 0
        for row in range(hw[0] // stride):
            for column in range(hw[1] // stride):
                cls = min(max(float(outputs[f"cls_{stride}"][image, cell, 0]), 0.0), 1.0)
                obj = min(max(float(outputs[f"obj_{stride}"][image, cell, 0]), 0.0), 1.0)
                confidence = math.sqrt(cls * obj)
                if confidence >= least:
                    dx, dy, w, h = (float(v) for v in outputs[f"bbox_{stride}"][image, cell])
                    cx, cy = (column + dx) * stride, (row + dy) * stride
                    w, h = math.exp(w) * stride, math.exp(h) * stride
                    k = [float(v) for v in outputs[f"kps_{stride}"][image, cell]]
                    points = [(k[i] + (column, row)[i % 2]) * stride for i in range(10)]
                    rows.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, confidence, *points])
                cell += 1
    return rows


@pytest.mark.parametrize("hw", [(64, 96), (96, 64), (32, 32), (160, 320)])
def test_yunet_is_read_cell_by_cell(hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    outputs = outputs_of_yunet(2, *hw)
    for name, array in outputs.items():
        array[:] = rng.uniform(-0.2, 1.2, array.shape) if name[:3] in ("cls", "obj") else rng.normal(0, 1, array.shape)
    raws = YuNetHead().decode(outputs, hw, 0.75)
    assert len(raws) == 2
    for image, raw in enumerate(raws):
        expected = np.array(slow_yunet(outputs, image, hw, 0.75)).reshape(-1, 15)
        assert len(expected)
        assert raw.boxes.dtype == raw.confidences.dtype == raw.landmarks.dtype == np.float32
        np.testing.assert_allclose(raw.boxes, expected[:, :4], rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(raw.confidences, expected[:, 4], rtol=1e-5)
        np.testing.assert_allclose(raw.landmarks.reshape(-1, 10), expected[:, 5:], rtol=1e-4, atol=1e-3)


def test_yunet_without_a_face_gives_empty_arrays() -> None:
    (raw,) = YuNetHead().decode(outputs_of_yunet(1, 64, 64), (64, 64), 0.6)
    assert raw.boxes.shape == (0, 4)
    assert raw.landmarks.shape == (0, 5, 2)


def test_an_absurd_size_does_not_overflow() -> None:
    outputs = outputs_of_yunet(1, 32, 32)
    outputs["cls_32"][:] = outputs["obj_32"][:] = 1
    outputs["bbox_32"][..., 2:] = 1e4
    with np.errstate(all="raise"):
        (raw,) = YuNetHead().decode(outputs, (32, 32), 0.6)
    assert np.isfinite(raw.boxes).all()


def slow_scrfd(outputs: list[Array], hw: tuple[int, int], least: float) -> list[list[float]]:
    rows = []
    for level, stride in enumerate((8, 16, 32)):
        scores, boxes, points = outputs[level], outputs[level + 3], outputs[level + 6]
        at = 0
        for row in range(hw[0] // stride):
            for column in range(hw[1] // stride):
                for _anchor in range(2):
                    if scores[at, 0] >= least:
                        cx, cy = column * stride, row * stride
                        left, top, right, bottom = (float(v) * stride for v in boxes[at])
                        k = [float(points[at, i]) * stride + (cx, cy)[i % 2] for i in range(10)]
                        rows.append([cx - left, cy - top, cx + right, cy + bottom, float(scores[at, 0]), *k])
                    at += 1
    return rows


def test_scrfd_is_read_anchor_by_anchor() -> None:
    rng = np.random.default_rng(4)
    hw = (64, 96)
    outputs = []
    for n in (1, 4, 10):
        for stride in (8, 16, 32):
            shape = (hw[0] // stride * (hw[1] // stride) * 2, n)
            outputs.append(rng.uniform(0, 1, shape).astype(np.float32))
    prep = Preprocessing(
        input_hw=(0, 0), multiple_of=32, colour="rgb", mean=(127.5,) * 3, std=(128.0,) * 3
    )  # fmt: skip
    head = ScrfdHead(prep)
    (raw,) = head.decode({str(i): array for i, array in enumerate(outputs)}, hw, 0.8)
    expected = np.array(slow_scrfd(outputs, hw, 0.8))
    assert len(expected) > 10
    np.testing.assert_allclose(raw.boxes, expected[:, :4], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(raw.confidences, expected[:, 4], rtol=1e-5)
    np.testing.assert_allclose(raw.landmarks.reshape(-1, 10), expected[:, 5:], rtol=1e-4, atol=1e-3)
    blob = head.blob([np.full((32, 32, 3), (255, 0, 127), np.uint8)])
    np.testing.assert_allclose(blob[0, :, 5, 5], [(255 - 127.5) / 128, -127.5 / 128, -0.5 / 128], rtol=1e-5)


def test_yunet_is_fed_bgr_from_0_to_255() -> None:
    blob = YuNetHead().blob([np.full((32, 64, 3), (250, 100, 3), np.uint8)] * 2)
    assert blob.shape == (2, 3, 32, 64)
    assert blob.dtype == np.float32
    assert blob[1, :, 7, 9].tolist() == [3, 100, 250]
