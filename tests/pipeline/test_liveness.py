from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.images import from_array
from pipeline.liveness import CropLiveness, context_box, hold_against
from pipeline.metrics.attacks import apcer, balanced_threshold, bpcer
from pipeline.types import AttackRate, Decision, Detections, LivenessPoint
from pipeline.weights import load_cards

POINT = LivenessPoint(0.4, 0.01, 100, (AttackRate("print", 0.02, 50),), "live.test@00000000", "made up")


class RedIsLive:
    """A network whose logit of class 0 is the mean of the red channel, in hundreds."""

    runtime, inputs, outputs = "fake", ("input",), ("output",)

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        (x,) = inputs.values()
        self.shapes.append(x.shape)
        red = x[:, 2].mean(axis=(1, 2)) / 100  # BGR
        return {"output": np.stack([red, np.zeros_like(red), np.zeros_like(red)], axis=1)}


def detections(boxes: list[list[float]], image_hw: tuple[int, int]) -> Detections:
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4), np.ones(n, np.float32), np.zeros((n, 5, 2), np.float32), image_hw
    )


def test_the_score_is_the_softmax_of_class_0_of_what_is_around_the_face() -> None:
    rgb = np.zeros((200, 300, 3), np.uint8)
    rgb[:, :150, 0] = 200
    rgb[:, 150:, 2] = 200
    session = RedIsLive()
    found = detections([[40, 90, 60, 110], [240, 90, 260, 110]], (200, 300))
    scores = CropLiveness(session, "live.test@00000000", size=32).live_scores(from_array(rgb), found)
    assert session.shapes == [(2, 3, 32, 32)]
    assert scores == pytest.approx([np.exp(2) / (np.exp(2) + 2), 1 / 3], rel=1e-5)


def test_many_faces_go_in_batches_and_none_in_no_pass() -> None:
    session = RedIsLive()
    live = CropLiveness(session, "live.test@00000000", size=8)
    photo = from_array(np.full((50, 50, 3), 100, np.uint8))
    assert live.live_scores(photo, detections([[10, 10, 20, 20]] * 40, (50, 50))).shape == (40,)
    assert [shape[0] for shape in session.shapes] == [16, 16, 8]
    assert live.live_scores(photo, detections([], (50, 50))).shape == (0,)
    assert len(session.shapes) == 3


@given(
    st.lists(st.floats(-400, 900), min_size=4, max_size=4), st.integers(1, 500), st.integers(1, 500), st.floats(1, 4)
)
def test_the_box_lies_inside_the_photo_and_holds_the_face_where_it_can(
    ends: list[float], height: int, width: int, context: float
) -> None:
    x0, x1 = sorted(ends[:2])
    y0, y1 = sorted(ends[2:])
    left, top, right, bottom = context_box(np.array([x0, y0, x1, y1], np.float32), context, (height, width))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_a_box_in_the_middle_is_enlarged_about_its_middle_and_one_at_the_edge_is_pushed_in() -> None:
    assert context_box(np.array([100, 100, 140, 120], np.float32), 2.0, (400, 400)) == (80, 90, 160, 130)
    assert context_box(np.array([0, 0, 40, 20], np.float32), 2.0, (400, 400)) == (0, 0, 80, 40)
    assert context_box(np.array([370, 390, 410, 410], np.float32), 2.0, (400, 400)) == (319, 359, 399, 399)


def test_whoever_is_not_live_is_not_named() -> None:
    said = Decision("match", 0.8, 0.4, "alike", "a.b@00000000", subject="Ada", best=("Ada", 0.8))
    assert hold_against(said, 0.4, POINT) == said
    assert hold_against(said, None, POINT) == said
    refused = hold_against(said, 0.39, POINT)
    assert (refused.kind, refused.subject, refused.best) == ("not_live", None, None)
    assert "0.390" in refused.reason
    assert "print: 2.0% of 50" in refused.reason


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
)
def test_no_threshold_is_better_than_the_balanced_one(live: list[float], one: list[float], two: list[float]) -> None:
    kinds = {"print": np.array(one), "replay": np.array(two)}
    threshold, rate = balanced_threshold(np.array(live), kinds)
    slow = min(
        max(
            sum(score < t for score in live) / len(live),
            sum(score >= t for score in one) / len(one),
            sum(score >= t for score in two) / len(two),
        )
        for t in sorted({0.0, 1.0, *live, *one, *two})
    )
    assert rate == max(bpcer(np.array(live), threshold), *(apcer(scores, threshold) for scores in kinds.values()))
    # scores closer to 0 or 1, or to each other, than a millionth are not told apart
    assert (
        rate <= slow
        or any(score < 2e-6 or score > 1 - 2e-6 for score in (*live, *one, *two))
        or _close([*live, *one, *two])
    )


def _close(scores: list[float]) -> bool:
    return bool((np.diff(np.unique(scores)) < 1e-9).any())


def test_separable_scores_get_the_middle_of_the_gap_in_log_odds() -> None:
    threshold, rate = balanced_threshold(np.array([0.99, 0.999]), {"print": np.array([0.01, 0.001])})
    assert (threshold, rate) == (pytest.approx(0.5), 0.0)
    with pytest.raises(ValueError, match="live presentations and attacks"):
        balanced_threshold(np.array([0.9]), {})


def test_no_face_is_no_success_for_the_attacker_and_turns_a_person_away() -> None:
    none = np.array([-np.inf, 0.9])
    assert apcer(none, 0.0) == 0.5
    assert bpcer(none, 0.0) == 0.5


@pytest.mark.parametrize(
    "wrong", [{"threshold": 1.5}, {"threshold": float("nan")}, {"bpcer": -0.1}, {"live": 0}, {"attacks": ()}]
)
def test_a_point_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    good = {"threshold": 0.5, "bpcer": 0.0, "live": 3, "attacks": POINT.attacks, "model_id": "a", "measured_on": "b"}
    with pytest.raises(ValueError, match=r"must lie|needs"):
        LivenessPoint(**{**good, **wrong})


def test_the_card_says_what_is_not_known() -> None:
    card = load_cards()["liveness.faceplugin"]
    assert card.task == "liveness"
    assert card.licence.training_data == "not stated"
    assert card.liveness is not None
    assert [rate.kind for rate in card.liveness.attacks] == ["print"]
