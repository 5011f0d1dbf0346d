"""Challenge: what is asked, a video that is judged once, and the answer in words."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.services import Services
from app.video import challenge
from app.video.challenge import Answer
from app.web.texts import CHOSEN, LANGUAGES
from pipeline.challenge import STEPS, Failure, Outcome, StepDone
from pipeline.errors import ChallengeError
from pipeline.types import Decision
from tests.app.web.conftest import Page, said, seen
from tests.fakes import MODEL_ID
from tests.videos import LOSSLESS, write_video


@pytest.fixture
def video(tmp_path: Path) -> tuple[str, bytes, str]:
    """One that shows nobody."""
    file = write_video(tmp_path / "me.mkv", [np.zeros((60, 80, 3), np.uint8)] * 8, rate=15, codec=LOSSLESS)
    return "me.mkv", file.read_bytes(), "video/x-matroska"


def bring(at: AppTest, video: tuple[str, bytes, str]) -> AppTest:
    at.file_uploader[0].set_value(video)
    return at.run()


def test_what_to_do_is_said_and_the_video_is_judged_once(
    page: Page, services: Services, video: tuple[str, bytes, str]
) -> None:
    at = page("challenge")
    assert not at.file_uploader
    at.button[0].click().run()
    assert not at.exception
    asked = said(at)
    steps = LANGUAGES["en"].challenge_steps
    assert sum(asked.count(f"<li>{words}</li>") for words in steps.values()) == 3
    assert "within 2 minutes" in seen(at)
    (kept,) = (services.settings.home / "challenges").iterdir()
    first = at.file_uploader[0].key
    bring(at, ("x.mp4", b"no video at all", "video/mp4"))
    assert "is not a video" in seen(at)
    assert kept.exists(), "what is no video does not use it up"
    bring(at, video)
    assert "✗The challenge was not followed" in seen(at)
    assert "No face was seen." in seen(at)
    assert not kept.exists()
    assert not at.file_uploader, "the video is let go"
    at.button[0].click().run()
    assert "not followed" not in seen(at)
    assert at.file_uploader[0].key != first


def test_one_that_has_ended_is_a_sentence(page: Page, services: Services, video: tuple[str, bytes, str]) -> None:
    at = page("challenge")
    at.button[0].click().run()
    for kept in (services.settings.home / "challenges").iterdir():
        kept.unlink()
    bring(at, video)
    assert "is not known, was answered, or has ended: make a new one" in seen(at)
    assert not at.exception
    assert not at.file_uploader


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_answer_has_words_and_a_name_is_text(
    page: Page, monkeypatch: pytest.MonkeyPatch, video: tuple[str, bytes, str], language: str
) -> None:
    steps, nasty, words = tuple(StepDone(step, 0.0, 1.0) for step in STEPS), "<b>x</b> {0}", LANGUAGES[language]
    at = page("challenge")
    at.session_state[CHOSEN] = language
    at.run()
    for failure in (None, *get_args(Failure)):
        decision = None if failure else Decision("match", 0.9, 0.7, "because", MODEL_ID, subject=nasty)
        found = Answer(Outcome(failure, 2.5, steps, 0.8), decision)
        monkeypatch.setattr(challenge, "answer", lambda *_, found=found, **__: found)
        at.button[0].click().run()
        bring(at, video)
        assert not at.exception
        if failure:
            assert words.challenge_not in seen(at)
            assert words.challenge_why[failure] in seen(at)
            assert "2.5" in seen(at)
            continue
        assert words.challenge_followed in seen(at)
        assert words.challenge_step_names["blink"] in seen(at)
        assert nasty in seen(at)
        assert "<b>x" not in said(at)


def test_mirrored_is_told_on(page: Page, monkeypatch: pytest.MonkeyPatch, video: tuple[str, bytes, str]) -> None:
    told: list[bool] = []

    def refused(*_: object, mirrored: bool) -> Answer:
        told.append(mirrored)
        raise ChallengeError("no")

    monkeypatch.setattr(challenge, "answer", refused)
    at = page("challenge")
    at.button[0].click().run()
    at.checkbox[0].check()
    bring(at, video)
    assert told == [True]
