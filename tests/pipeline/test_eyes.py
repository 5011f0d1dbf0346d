"""pipeline.eyes: what the network is shown, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.eyes import EyeState
from pipeline.images import from_array
from pipeline.quality import advice, assess, generic_fit
from pipeline.stage_models import eyes_of
from pipeline.types import QUALITY_COMPONENTS, AlignedFaces, Detections, Templates
from pipeline.weights import load_cards
from tests.fakes import detections_at, vector_of


class BrightIsOpen:
    """A network whose logit of class 1 is ten times the mean luminance of what it sees, less five."""

    runtime, inputs, outputs = "fake", ("input",), ("output",)

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        (x,) = inputs.values()
        assert x.dtype == np.float32
        self.seen.append(x)
        mean = x.mean(axis=(1, 2, 3))
        return {"output": np.stack([np.zeros_like(mean), 10 * mean - 5], axis=1)}


def face(eyes: list[list[float]], hw: tuple[int, int] = (200, 200)) -> Detections:
    points = np.array([[*eyes, [100, 100], [80, 130], [120, 130]]], np.float32)
    return Detections(np.array([[40, 40, 160, 160]], np.float32), np.ones(1, np.float32), points, hw)


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


@pytest.mark.parametrize("turned", [0.0, 30.0, -70.0])
def test_it_sees_an_upright_square_about_each_eye(turned: float) -> None:
    rgb = np.zeros((200, 200, 3), np.uint8)
    turn = cv2.getRotationMatrix2D((100, 100), -turned, 1)
    eyes = [(turn @ [x, 80, 1]).tolist() for x in (75, 125)]
    for x, y in eyes:  # as wide as the square that is looked at, and upright along the line of the eyes
        corners = cv2.boxPoints(((x, y), (30.0, 30.0), turned))
        cv2.fillConvexPoly(rgb, np.round(corners).astype(np.int32), (255, 255, 255))
    session = BrightIsOpen()
    scores = EyeState(session, "eyes.test@00000000").open_scores(from_array(rgb), face(eyes))
    assert session.seen[0].shape == (2, 1, 24, 24)
    assert session.seen[0].mean(axis=(1, 2, 3)) == pytest.approx([1, 1], abs=0.05)
    assert scores == pytest.approx([sigmoid(5)], abs=0.01)


def test_the_eye_that_is_more_open_counts() -> None:
    rgb = np.zeros((200, 200, 3), np.uint8)
    rgb[:, 100:] = 255
    eyes = EyeState(BrightIsOpen(), "eyes.test@00000000")
    assert eyes.open_scores(from_array(rgb), face([[75, 80], [125, 80]])) == pytest.approx([sigmoid(5)], abs=0.01)
    assert eyes.open_scores(from_array(rgb[:, ::-1].copy()), face([[75, 80], [125, 80]])) == pytest.approx(
        [sigmoid(5)], abs=0.01
    )
    dark = eyes.open_scores(from_array(np.zeros((200, 200, 3), np.uint8)), face([[75, 80], [125, 80]]))
    assert dark == pytest.approx([sigmoid(-5)], abs=0.01)


def test_a_large_photo_is_seen_as_a_small_one_and_many_faces_go_in_batches() -> None:
    rng = np.random.default_rng(2)
    rgb = cv2.GaussianBlur(rng.integers(0, 256, (200, 200, 3), np.uint8), (0, 0), 6)
    large = cv2.resize(rgb, (1600, 1600), interpolation=cv2.INTER_CUBIC)
    session = BrightIsOpen()
    eyes = EyeState(session, "eyes.test@00000000")
    eyes.open_scores(from_array(rgb), face([[75, 80], [125, 80]]))
    points = (np.array([[75, 80], [125, 80]]) + 0.5) * 8 - 0.5
    eyes.open_scores(from_array(large), face(points.tolist(), (1600, 1600)))
    assert np.abs(session.seen[0] - session.seen[1]).max() < 0.05
    many = detections_at([(20, 20, 120, 120)] * 40)
    assert eyes.open_scores(from_array(rgb), many).shape == (40,)
    assert [len(x) for x in session.seen[2:]] == [32, 32, 16]
    assert eyes.open_scores(from_array(rgb), detections_at([])).shape == (0,)


def test_closed_eyes_are_a_component_with_a_sentence_and_change_no_score() -> None:
    found = detections_at([(0, 0, 100, 100)] * 2)
    crops = np.random.default_rng(3).integers(60, 200, (2, 112, 112, 3), np.uint8)
    faces = AlignedFaces(crops, np.zeros((2, 2, 3), np.float32))
    templates = Templates(np.stack([vector_of(1), vector_of(2)]), np.full(2, 9, np.float32), "m.m@00000000")
    looked = assess(found, faces, templates, generic_fit(), None, np.array([0.1, 0.99], np.float32))
    without = assess(found, faces, templates, generic_fit())
    column = QUALITY_COMPONENTS.index("eyes_open")
    assert looked.components[:, column] == pytest.approx([10, 99])
    assert "eyes_open" in advice(looked, 0)
    assert "eyes_open" not in advice(looked, 1)
    assert np.isnan(without.components[:, column]).all()
    assert "eyes_open" not in advice(without, 0)
    assert without.row(0)["eyes_open"] is None
    assert looked.unified.tolist() == without.unified.tolist()


def test_the_card_is_of_this_stage_and_says_what_is_not_known() -> None:
    card = load_cards()["eyes.faceplugin"]
    assert (card.task, card.family, card.preprocessing.colour, card.preprocessing.input_hw) == (
        *("eyes", "eye_state", "grey"),
        (24, 24),
    )
    assert card.licence.training_data == "not stated"
    model = type("Model", (), {"card": card, "model_id": "eyes.faceplugin@00000000"})()
    assert eyes_of(model, BrightIsOpen()).model_id == "eyes.faceplugin@00000000"
