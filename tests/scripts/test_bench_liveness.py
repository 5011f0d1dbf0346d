"""The benches of challenges, eyes and covers: what they render, count and say, with made pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.challenge import Follower, Look
from pipeline.errors import ConfigError
from pipeline.types import Image
from scripts.benches import challenge, eyes, occlusion
from scripts.benches._prints import WAYS, Way, seen, turning
from tests.pipeline.test_challenge import LEFT, RIGHT, Relief, film

BOX = np.array([60, 60, 140, 140], np.float32)


def picture(seed: int = 4) -> Image:
    small = np.random.default_rng(seed).integers(0, 256, (25, 25, 3), np.uint8)
    return cv2.resize(small, (200, 200), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_print_seen_straight_is_the_photo_in_its_middle(way: Way) -> None:
    photo = picture()
    straight = seen(photo, BOX, way, 0.0)
    middle = (slice(92, 108), slice(92, 108))
    assert np.abs(straight[middle].astype(int) - photo[middle]).mean() < (2 if way.radius is None else 40)
    turned = seen(photo, BOX, way, way.degrees)
    assert np.abs(turned.astype(int) - straight).mean() > 20


def test_a_flat_print_that_turns_is_one_homography_of_the_photo() -> None:
    way, photo = Way(45, 2.0), np.zeros((200, 200, 3), np.uint8)
    points = np.array([[80, 80], [120, 80], [120, 120], [80, 120], [100, 90]], np.float32)
    found = []
    for x, y in points:
        dot = photo.copy()
        cv2.circle(dot, (int(x), int(y)), 3, (255, 255, 255), -1)
        shown = (seen(dot, BOX, way, 30.0)[..., 0] > 180).astype(np.uint8)
        found.append(cv2.connectedComponentsWithStats(shown)[3][1])
    there = np.array(found, np.float32)
    homography = cv2.getPerspectiveTransform(points[:4], there[:4])
    expected = cv2.perspectiveTransform(points[None, 4:], homography)[0, 0]
    np.testing.assert_allclose(there[4], expected, atol=1.0)
    assert there[1, 0] - there[0, 0] < 38, "it is foreshortened"


def test_frames_are_the_same_each_time_and_begin_and_end_straight() -> None:
    frames = list(turning(picture(), BOX, WAYS["flat, 45 degrees"], np.random.default_rng(1)))
    again = list(turning(picture(), BOX, WAYS["flat, 45 degrees"], np.random.default_rng(1)))
    assert len(frames) == 46
    np.testing.assert_array_equal(frames[20], again[20])
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() < 8
    assert np.abs(frames[0].astype(int) - frames[16]).mean() > 20


def test_movements_of_a_film_are_found_wherever_they_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(challenge, "Follower", lambda *how: Follower(*how, surface=Relief(0.1)))
    looks: list[Look] = film(LEFT, RIGHT)
    found = challenge.real(looks, 0.4)
    (turn,) = found["turns"]  # before the other the head was not still for long enough
    assert (turn["step"], turn["degrees"]) == ("left", pytest.approx(30, abs=0.3))
    assert turn["relief"] == pytest.approx(0.2, abs=0.01)
    assert [turn["step"] for turn in challenge.real(film(RIGHT), 0.4)["turns"]] == ["right"]
    assert found["blinks_at_s"] is None, "eyes were not looked at"
    assert challenge.judged(looks, ("left", "right"), 0.4).followed
    assert challenge.judged(looks, ("right", "left"), 0.4).failure == "wrong_step"
    assert challenge.real([], 0.4)["turns"] == []


def test_the_labels_of_eyes_are_whole_and_name_nobody() -> None:
    found = eyes.labels()
    assert len(found) == 480
    assert {word: list(found.values()).count(word) for word in eyes.WORDS} == {
        "open": 438,
        "closed": 14,
        "dark": 9,
        "unsure": 19,
    }
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in found)


def test_figures_of_eyes_are_what_counting_says() -> None:
    rows = [
        ("open", 0.99, 9.0, 0.9),
        ("open", 0.9, 8.0, 0.8),
        ("closed", 0.1, 9.0, 0.9),
        ("closed", 0.95, 7.0, 0.9),
        ("dark", 0.5, 5.0, 0.85),
    ]
    said = eyes.told(rows)
    assert said["faces"] == {"open": 2, "closed": 2, "dark": 1, "unsure": 0}
    assert (said["auc_closed"], said["auc_dark"]) == (0.75, 1.0)
    assert said["auc_dark_by_the_detector"] == 0.5
    assert said["auc_closed_by_the_norm"] == pytest.approx((0.5 + 0 + 1 + 1) / 4, abs=1e-3)
    assert said["told_to_open_their_eyes"] == {"open": 0, "closed": 1, "dark": 1, "unsure": 0}


@pytest.mark.parametrize("cover", occlusion.COVERS)
def test_a_cover_lies_over_the_face_and_nowhere_else(cover: str) -> None:
    photo = picture()
    landmarks = np.array([[85, 85], [115, 85], [100, 102], [88, 118], [112, 118]], np.float32)
    changed = (occlusion.covered(photo, landmarks, cover, np.random.default_rng(0)) != photo).any(axis=2)
    assert 200 < changed.sum() < 6000
    assert not changed[:45].any()
    assert not changed[150:].any()
    if cover == "mask":
        assert changed[118, 100]
        assert not changed[84:87, 85].any()
    if cover == "dark glasses":
        assert changed[85, 85]
        assert changed[85, 115]
        assert not changed[110:].any()


def test_without_a_folder_or_eyes_there_is_a_sentence(tmp_path: Path, isolated_home: Path) -> None:
    with pytest.raises(ConfigError, match="no eyes are looked at"):
        eyes.run([str(tmp_path)])
    with pytest.raises(ConfigError, match="is no folder"):
        occlusion.run([str(tmp_path / "none")])
