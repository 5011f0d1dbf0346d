"""pipeline.types: what is refused on construction, and what the small methods do."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.errors import ModelMismatchError
from pipeline.types import AlignedFaces, Candidates, Decision, Detections, LikelihoodRatio, Templates
from tests.fakes import points, vector_of


def detections(n: int, **changes: Any) -> Detections:
    values: dict[str, Any] = {
        "boxes": np.arange(n * 4, dtype=np.float32).reshape(n, 4),
        "confidences": np.linspace(0, 1, n, dtype=np.float32),
        "landmarks": np.arange(n * 10, dtype=np.float32).reshape(n, 5, 2),
        "image_hw": (480, 640),
    }
    return Detections(**{**values, **changes})


def templates(*keys: object, model_id: str = "a.b@01234567") -> Templates:
    return Templates(np.stack([vector_of(key) for key in keys]), np.ones(len(keys), np.float32), model_id)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("boxes", np.zeros((2, 4)), "float32"),
        ("boxes", np.zeros((2, 5), np.float32), r"\(N, 4\)"),
        ("boxes", [[0, 0, 1, 1], [0, 0, 1, 1]], "float32"),
        ("confidences", np.zeros(3, np.float32), r"\(2\)"),
        ("confidences", np.zeros(2), "float32"),
        ("confidences", np.array([0.5, 1.01], np.float32), "confidences"),
        ("confidences", np.array([-0.01, 0.5], np.float32), "confidences"),
        ("confidences", np.array([np.nan, 0.5], np.float32), "confidences"),
        ("landmarks", np.zeros((2, 5, 3), np.float32), "landmarks"),
        ("landmarks", np.zeros((2, 4, 2), np.float32), "landmarks"),
        ("landmarks", np.zeros((1, 5, 2), np.float32), "landmarks"),
    ],
)
def test_detections_refuse(field: str, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        detections(2, **{field: value})


def test_detections_are_frozen_and_slotted() -> None:
    found = detections(2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.image_hw = (1, 1)  # type: ignore[misc]
    assert not hasattr(found, "__dict__")


@given(st.integers(0, 6), st.data())
def test_rows_of_detections_are_chosen_in_every_field_alike(n: int, data: st.DataObject) -> None:
    found = detections(n)
    rows = data.draw(st.lists(st.integers(0, n - 1), max_size=8) if n else st.just([]))
    chosen = found[rows]
    assert len(chosen) == len(rows)
    for at, row in enumerate(rows):
        np.testing.assert_array_equal(chosen.boxes[at], found.boxes[row])
        np.testing.assert_array_equal(chosen.landmarks[at], found.landmarks[row])
        assert chosen.confidences[at] == found.confidences[row]
    mask = np.array([row in rows for row in range(n)], bool)
    assert len(found[mask]) == mask.sum()
    np.testing.assert_array_equal(found[mask].boxes, found.boxes[mask])


def test_empty_and_with_landmarks() -> None:
    assert len(Detections.empty((3, 4))) == 0
    assert Detections.empty((3, 4)).image_hw == (3, 4)
    found = detections(2)
    moved = found.with_landmarks(found.landmarks + 1)
    np.testing.assert_array_equal(moved.landmarks, found.landmarks + 1)
    np.testing.assert_array_equal(moved.boxes, found.boxes)
    with pytest.raises(ValueError, match="landmarks"):
        found.with_landmarks(found.landmarks[:1])


def test_aligned_faces() -> None:
    crops = np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3)
    matrices = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    faces = AlignedFaces(crops, matrices)
    together = AlignedFaces.concatenate([faces[0:1], faces[1:3]])
    np.testing.assert_array_equal(together.crops, crops)
    np.testing.assert_array_equal(together.transforms, matrices)
    assert AlignedFaces.concatenate([], 48).crops.shape == (0, 48, 48, 3)
    for bad in (crops.astype(np.float32), crops[..., :2], crops[0]):
        with pytest.raises(ValueError, match="crops"):
            AlignedFaces(bad, matrices)
    with pytest.raises(ValueError, match="transforms"):
        AlignedFaces(crops, matrices[:2])


@given(
    hnp.arrays(np.float32, (3, 8), elements=st.floats(-10, 10, width=32)),
    st.floats(0.0, 3.0, width=32),
)
def test_templates_take_unit_rows_and_nothing_else(rows: np.ndarray, length: float) -> None:
    norms = np.linalg.norm(rows, axis=1)
    if (norms < 1e-3).any():
        return
    unit = (rows / norms[:, None]).astype(np.float32)
    Templates(unit, np.ones(3, np.float32), "m")
    if abs(length - 1) > 2e-3:
        with pytest.raises(ValueError, match="unit"):
            Templates((unit * np.float32(length)).astype(np.float32), np.ones(3, np.float32), "m")


def test_templates_refuse_nan_other_types_and_shapes() -> None:
    row = vector_of(1)[None]
    one = np.ones(1, np.float32)
    for bad in (row * np.nan, np.zeros_like(row), row.astype(np.float64), row[0]):
        with pytest.raises(ValueError, match="vectors"):
            Templates(bad, one, "m")
    with pytest.raises(ValueError, match="norms"):
        Templates(row, np.ones(2, np.float32), "m")


def test_scores_are_cosines_within_minus_one_and_one() -> None:
    a, b = templates(1, 2, 3), templates(3, 4)
    scores = a.scores(b)
    assert scores.shape == (3, 2)
    for i in range(3):
        for j in range(2):
            expected = sum(float(x) * float(y) for x, y in zip(a.vectors[i], b.vectors[j], strict=True))
            assert scores[i, j] == pytest.approx(expected, abs=1e-6)
    itself = a.scores(a)
    assert np.diag(itself) == pytest.approx(1.0, abs=1e-6)
    assert itself.max() <= 1.0
    stretched = Templates(a.vectors * np.float32(1.0009), a.norms, a.model_id)  # within the tolerance
    assert stretched.scores(stretched).max() <= 1.0


def test_templates_of_two_models_are_never_compared() -> None:
    with pytest.raises(ModelMismatchError, match=r"x\.y@1.*a\.b@01234567|a\.b@01234567.*x\.y@1"):
        templates(1).scores(templates(1, model_id="x.y@1"))
    assert len(templates(1, 2)[[0]]) == 1


def test_candidates_are_descending() -> None:
    Candidates(("a", "b", "c"), np.array([0.9, 0.5, 0.5], np.float32))
    with pytest.raises(ValueError, match="descending"):
        Candidates(("a", "b"), np.array([0.5, 0.9], np.float32))
    with pytest.raises(ValueError, match="scores"):
        Candidates(("a",), np.array([0.5, 0.4], np.float32))


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 1.01},
        {"threshold": -1.01},
        {"threshold": float("nan")},
        {"fmr": -0.1},
        {"fnmr": 1.1},
        {"fmr_upper": 2.0},
        {"fmr_upper": 0.0005},
        {"non_mated": -1},
        {"mated": -1},
        {"min_norm": float("inf")},
        {"min_norm": -1.0},
        {"gallery_size": 10},
    ],
)
def test_operating_points_refuse(change: dict[str, Any]) -> None:
    verify = points()[0]
    with pytest.raises(ValueError, match=next(iter(change))):
        dataclasses.replace(verify, **change)


def test_an_identify_point_needs_its_gallery_size() -> None:
    with pytest.raises(ValueError, match="gallery_size"):
        dataclasses.replace(points()[1], gallery_size=None)
    with pytest.raises(ValueError, match="gallery_size"):
        dataclasses.replace(points()[1], gallery_size=0)


@pytest.mark.parametrize("change", [{"high": 1e300}, {"low": -1e300}, {"slope": 1e300}, {"offset": -1e300}])
def test_a_likelihood_ratio_beyond_any_data_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="so large"):
        dataclasses.replace(LikelihoodRatio(20.0, -8.0, -4.0, 9.0), **change)


def test_a_decision_names_nobody_by_default() -> None:
    decision = Decision("unknown", None, None, "nobody", "m")
    assert decision.subject is None
    assert decision.runner_up is None
