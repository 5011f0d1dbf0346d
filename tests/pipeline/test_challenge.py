"""pipeline.challenge: the rules, on a head made of five points; and what tells a plane from what has relief."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from pipeline.challenge import STEPS, ChallengePolicy, Follower, Look, Outcome, Surface, new_challenge
from pipeline.types import F32, Detections, Image
from tests.fakes import vector_of
from tests.videos import Turnable

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GREY = np.zeros((300, 300), np.uint8)
ME, OTHER = vector_of("me"), vector_of("other")
#: Two eyes, nose, two corners of the mouth of a head, in distances of the eyes; z towards the viewer.
HEAD = np.array([[-0.5, -0.6, 0], [0.5, -0.6, 0], [0, -0.05, 0.5], [-0.41, 0.53, 0.1], [0.41, 0.53, 0.1]])


class Relief(Surface):
    """A surface that departs from a plane as told."""

    def __init__(self, departed: float | None) -> None:
        super().__init__()
        self.departed = departed

    def anchor(self, grey: Image, landmarks: F32) -> None:
        pass

    def follow(self, grey: Image) -> float | None:
        return self.departed


def head(time_s: float, yaw: float, pitch: float, vector: F32 = ME, at: float = 150.0) -> Look:
    """A frame with one head of 60 pixels between the eyes, turned."""
    a, b = np.radians([yaw, pitch])
    tilted = HEAD @ np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    points = tilted @ np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    landmarks = (points[:, :2] * 60 + [at, 150]).astype(np.float32)
    box = np.array([[at - 70, 60, at + 70, 240]], np.float32)
    return Look(time_s, GREY, Detections(box, np.float32([0.9]), landmarks[None], (300, 300)), vector[None])


def nobody(time_s: float) -> Look:
    return Look(time_s, GREY, Detections.empty((300, 300)), np.zeros((0, 1), np.float32))


def film(*poses: tuple[float, float], start_s: float = 5.0) -> list[Look]:
    """Ten frames a second: still for a second; then to each pose within 0.4 s, and back."""
    path = [(0.0, 0.0)] * 11
    for yaw, pitch in poses:
        path += [(yaw * part, pitch * part) for part in (0.3, 0.6, 1, 1, 0.6, 0.3, 0, 0)]
    return [head(start_s + number / 10, *pose) for number, pose in enumerate(path)]


LEFT, RIGHT, UP, DOWN = (30.0, 0.0), (-30.0, 0.0), (0.0, 24.0), (0.0, -24.0)


def judged(looks: Iterable[Look], steps: Sequence[str], departed: float | None = 0.1, **options: object) -> Outcome:
    follower = Follower(tuple(steps), 0.5, surface=Relief(departed), **options)  # type: ignore[arg-type]
    last_s = 0.0
    for look in looks:
        last_s = look.time_s
        follower.look(look)
    return follower.end(last_s)


def test_what_was_asked_and_done_is_followed_and_nothing_else_is() -> None:
    done = judged(film(LEFT, UP, RIGHT, DOWN), ("left", "up", "right", "down"))
    assert done.followed
    assert [(one.step, one.degrees) for one in done.steps] == [
        ("left", pytest.approx(30, abs=4)),
        ("up", pytest.approx(24, abs=7)),
        ("right", pytest.approx(30, abs=4)),
        ("down", pytest.approx(24, abs=7)),
    ]
    assert [one.end_s for one in done.steps] == [pytest.approx(1.7 + 0.8 * number, abs=0.11) for number in range(4)]
    assert done.steps[0].relief == pytest.approx(0.1 / np.sin(np.radians(done.steps[0].degrees)))
    assert done.least_score == pytest.approx(1)
    for others in (("right", "up", "left", "down"), ("left", "up", "down", "right"), ("up",)):
        assert judged(film(LEFT, UP, RIGHT, DOWN), others).failure == "wrong_step"
    assert judged(film(LEFT), ("left", "up")).failure == "unfinished"
    assert judged(film(LEFT)[:-2], ("left",)).failure == "unfinished", "the head is not back"
    assert judged(film((14, 0)), ("left",)).failure == "unfinished", "not far enough"


def test_in_a_mirror_left_is_right() -> None:
    assert judged(film(LEFT, RIGHT), ("right", "left"), mirrored=True).followed
    assert judged(film(LEFT, RIGHT), ("left", "right"), mirrored=True).failure == "wrong_step"
    assert judged(film(UP, DOWN), ("up", "down"), mirrored=True).followed


def test_what_stays_flat_or_cannot_be_told_is_not_followed() -> None:
    assert judged(film(LEFT), ("left",), departed=0.03).failure == "flat"
    assert judged(film(LEFT), ("left",), departed=None).failure == "unclear"
    assert judged(film(LEFT), ("left",), departed=0.03, policy=ChallengePolicy(relief=0.05)).followed


def test_another_face_in_the_midst_ends_it_and_one_frame_of_doubt_does_not() -> None:
    looks = film(LEFT)
    swapped = [Look(x.time_s, x.grey, x.detections, OTHER[None]) if n > 12 else x for n, x in enumerate(looks)]
    assert judged(swapped, ("left",)).failure == "other_face"
    blurred = [Look(x.time_s, x.grey, x.detections, OTHER[None]) if n == 12 else x for n, x in enumerate(looks)]
    outcome = judged(blurred, ("left",))
    assert outcome.followed
    assert outcome.least_score == pytest.approx(float(ME @ OTHER))


def test_a_face_that_vanishes_moves_away_or_jumps_ends_it() -> None:
    looks = film(LEFT)
    gone = [nobody(x.time_s) if 12 <= n < 20 else x for n, x in enumerate(looks)]
    assert judged(gone, ("left",)).failure == "lost"
    away = [*looks[:12], *(head(looks[12].time_s + n / 10, 0, 0, at=20) for n in range(9))]
    assert judged(away, ("left",)).failure == "lost"
    assert judged([*looks[:11], head(6.15, 40, 0), head(6.25, 40, 0)], ("left",)).failure == "jump"
    short = [nobody(x.time_s) if 13 <= n < 15 else x for n, x in enumerate(film(LEFT, LEFT))]
    assert judged(short, ("left",)).followed


def test_it_waits_for_a_still_head_but_not_for_ever() -> None:
    restless = [head(n / 10, 12 * (n % 2), 0) for n in range(150)]
    outcome = judged(restless, ("left",))
    assert (outcome.failure, outcome.at_s) == ("not_still", pytest.approx(10.1))
    assert judged([nobody(n / 10) for n in range(150)], ("left",)).failure == "no_face"
    assert judged([], ("left",)).failure == "no_face"
    assert judged([head(n / 10, 0, 0) for n in range(150)], ("left",)).failure == "too_slow"
    follower = Follower(("left", "up"), 0.5, surface=Relief(0.1))
    asked = []
    for look in film(LEFT, UP):
        asked.append(follower.asks)
        follower.look(look)
    assert [one for one, before in zip(asked, [*asked[1:], ""], strict=True) if one != before] == [
        None,
        "left",
        "up",
        None,
    ]
    assert follower.asks is None
    assert judged(film(LEFT), ("left",)).as_dict()["followed"] is True


def test_a_camera_that_is_being_opened_has_not_lost_anybody() -> None:
    follower, up_s = Follower(("left",), 0.4), 40_000.0  # a monotonic clock: since the machine was started
    for elapsed_s in (0.0, 5.0, 60.0):
        assert follower.miss(up_s + elapsed_s) is None
    assert follower.look(nobody(up_s + 60)) is None
    assert follower.miss(up_s + 69) is None
    outcome = follower.miss(up_s + 71)
    assert outcome is not None
    assert (outcome.failure, outcome.at_s) == ("no_face", 11.0)
    assert Follower(("left",), 0.4).end(up_s).at_s == 0.0, "no frame came at all"


def eyed(scores: Sequence[float], poses: Sequence[tuple[float, float]] = ()) -> list[Look]:
    """A still head for a second, fifteen frames a second; then with eyes open as told."""
    looks = []
    for number, score in enumerate([0.999] * 16 + list(scores)):
        look = head(number / 15, *(poses[number - 16] if number >= 16 and poses else (0.0, 0.0)))
        looks.append(Look(look.time_s, GREY, look.detections, look.vectors, np.float32([score])))
    return looks


def test_two_blinks_soon_after_each_other_are_a_step_and_a_single_one_is_not() -> None:
    once = [0.999] * 4 + [0.1, 0.02] + [0.999] * 4
    done = judged(eyed(once * 2), ("blink",))
    assert done.followed
    assert (done.steps[0].degrees, done.steps[0].relief) == (None, None)
    assert done.as_dict()["steps"][0]["degrees"] is None
    assert judged(eyed(once), ("blink",)).failure == "unfinished"
    assert judged(eyed([*once, *[0.999] * 40, *once]), ("blink",)).failure == "unfinished", "too far apart"
    shut = [0.999] * 4 + [0.02] * 12 + [0.999] * 4
    assert judged(eyed(shut * 2), ("blink",)).failure == "unfinished", "eyes that stay shut do not blink"
    dim = [0.999, 0.99, 0.98, 0.97, 0.95, 0.9, 0.8, 0.7] * 4
    assert judged(eyed(dim), ("blink",)).failure == "unfinished"
    assert judged(film(LEFT), ("blink",)).failure == "wrong_step"
    assert judged([head(n / 15, 0, 0) for n in range(200)], ("blink",)).failure == "too_slow", "eyes are not looked at"


def test_every_order_of_steps_comes_up_and_no_step_twice_running() -> None:
    made = [new_challenge(ChallengePolicy(), NOW) for _ in range(1500)]
    orders = Counter(one.steps for one in made)
    assert len(orders) == 34
    assert max(orders.values()) < 3 * 1500 / 34
    for steps in orders:
        assert len(steps) == 3
        assert all(a != b for a, b in pairwise(steps))
        assert {"left", "right"} & set(steps)
        assert set(steps) <= set(STEPS) - {"blink"}
    assert len({one.nonce for one in made}) == 1500
    assert len({new_challenge(ChallengePolicy(), NOW, blink=True).steps for _ in range(1500)}) == 68
    assert (made[0].expires - made[0].issued).total_seconds() == ChallengePolicy().valid_s


def test_a_policy_that_cannot_be_held_is_refused() -> None:
    for wrong in ({"steps": 0}, {"hold": 0}, {"neutral_deg": 20.0}, {"interval_ms": 0}):
        with pytest.raises(ValueError, match=r"must hold|at least"):
            ChallengePolicy(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("relief", "low", "high"), [(0.0, 0.0, 0.01), (1.5, 0.03, 0.6)])
def test_a_print_that_turns_stays_a_plane_and_a_head_does_not(relief: float, low: float, high: float) -> None:
    rng = np.random.default_rng(7)
    skin = np.kron(rng.uniform(0, 255, (60, 60)), np.ones((6, 6))).astype(np.float32)
    picture = np.repeat(np.clip(skin, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    thing = Turnable(picture, (180.0, 180.0), 80.0, relief)
    landmarks = (HEAD[:, :2] * 80 + 180).astype(np.float32)
    surface = Surface()
    surface.anchor(picture[:, :, 0], landmarks)
    for yaw in range(3, 31, 3):
        departed = surface.follow(np.ascontiguousarray(thing.turned(float(yaw), 5.0)[:, :, 0]))
        assert departed is not None
    assert low <= departed <= high
    flat = np.full_like(picture[:, :, 0], 90)
    assert surface.follow(flat) is None, "nothing is left to follow"
    surface.anchor(flat, landmarks)
    assert surface.follow(flat) is None
