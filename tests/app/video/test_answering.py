"""A challenge answered on video: what is asked and kept, the command, and prints that are turned."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from app.services import Services
from app.video.asked import ask, take
from app.video.challenge import Answer, answer_in_video
from pipeline.challenge import Challenge, ChallengePolicy, Step
from pipeline.config import Settings
from pipeline.errors import ChallengeError, PhotoNotFoundError
from tests.commands import Cli, runner
from tests.videos import Turnable, portrait_of, turning, write_video

STEPS: tuple[Step, ...] = ("left", "down")


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return runner(capsys)


def now() -> datetime:
    return datetime.now(UTC)


def test_a_challenge_is_answered_once_and_in_time(tmp_path: Path) -> None:
    policy = ChallengePolicy()
    made = ask(tmp_path, policy)
    (file,) = (tmp_path / "challenges").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert take(tmp_path, made.nonce) == made
    with pytest.raises(ChallengeError, match="was answered"):
        take(tmp_path, made.nonce)
    for name in ("../settings", "", "0" * 32, made.nonce.upper() + "/"):
        with pytest.raises(ChallengeError):
            take(tmp_path, name)
    old = ask(tmp_path, policy, now() - timedelta(seconds=policy.valid_s + 1))
    with pytest.raises(ChallengeError, match="has ended"):
        take(tmp_path, old.nonce)
    assert list((tmp_path / "challenges").iterdir()) == []


def test_what_has_ended_or_cannot_be_read_is_dropped_at_the_next(tmp_path: Path) -> None:
    policy = ChallengePolicy()
    old = ask(tmp_path, policy, now() - timedelta(hours=1))
    (tmp_path / "challenges" / f"{'a' * 32}.json").write_text("[]")
    with pytest.raises(ChallengeError, match="cannot be read"):
        take(tmp_path, "a" * 32)
    (tmp_path / "challenges" / f"{'b' * 32}.json").write_text("{")
    made = ask(tmp_path, policy)
    assert [file.stem for file in (tmp_path / "challenges").iterdir()] == [made.nonce] != [old.nonce]


def test_the_command_says_what_to_do_and_judges_the_video_once(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models_home: Path
) -> None:
    monkeypatch.setenv("KNOWNFACE_HOME", str(tmp_path))
    (tmp_path / "models").symlink_to(models_home / "models")
    document = cli("challenge", "new", "--json").document
    assert len(document["steps"]) == 3
    assert datetime.fromisoformat(document["expires"]) > now()
    people = cli("challenge", "new").out.splitlines()
    assert len(people) == 5
    assert people[0].endswith("hold still")
    video = write_video(tmp_path / "a.mkv", [np.full((120, 160, 3), 90, np.uint8)] * 10, rate=15)
    missing = cli("challenge", "check", document["nonce"], tmp_path / "none.mkv", "--json")
    assert (missing.code, missing.document["error"]) == (3, "photo_not_found")
    judged = cli("challenge", "check", document["nonce"], video, "--json")
    assert (judged.code, judged.document["failure"]) == (1, "no_face")
    again = cli("challenge", "check", document["nonce"], video, "--json")
    assert (again.code, again.document["error"]) == (3, "challenge_refused")
    seen = cli("challenge", "camera", video)
    assert (seen.code, "no face was seen" in seen.out) == (1, True)
    assert seen.err.endswith("look straight at the camera and hold still\n")
    nowhere = cli("challenge", "camera", tmp_path / "none.mkv")
    assert (nowhere.code, nowhere.out, "cannot be opened" in nowhere.err) == (3, "", True)
    assert not (tmp_path / "gallery").exists()


@pytest.fixture(scope="module")
def services(models_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    home = tmp_path_factory.mktemp("home")
    (home / "models").symlink_to(models_home / "models")
    made = Services(Settings(home=home, workers=2))
    yield made
    made.close()


def asked(steps: tuple[Step, ...] = STEPS, age_s: float = 60.0) -> Challenge:
    issued = now() - timedelta(seconds=age_s)
    return Challenge("0" * 32, steps, issued, issued + timedelta(seconds=120))


def answered(services: Services, path: Path, thing: Turnable, done: tuple[str, ...] = STEPS) -> Answer:
    write_video(path, turning(thing, done), rate=15)
    return answer_in_video(services, str(path), asked)


def thing_of(photos: Path, relief: float) -> Turnable:
    """Rishi Sunak, flat or with the relief of a head, in front of a wall."""
    portrait = portrait_of(next(photos.rglob("rishi-sunak.jpg")), 220)
    picture = np.full((300, 320, 3), 120, np.uint8)
    picture[40:260, 50:270] = portrait
    return Turnable(picture, (160.0, 165.0), 75.0, relief, distance=5.0)


@pytest.mark.slow
def test_a_head_that_does_what_was_asked_passes_and_its_print_does_not(
    services: Services, sample_photos: Path, tmp_path: Path
) -> None:
    head, flat = thing_of(sample_photos, 1.3), thing_of(sample_photos, 0.0)
    passed = answered(services, tmp_path / "head.mkv", head)
    assert passed.outcome.followed, passed.outcome.said
    assert [one.step for one in passed.outcome.steps] == list(STEPS)
    assert passed.decision is None, "nobody is enrolled"
    other = answered(services, tmp_path / "order.mkv", head, ("down", "left"))
    assert other.outcome.failure == "wrong_step"
    for number, done in enumerate((STEPS, ("down", "left"))):
        refused = answered(services, tmp_path / f"{number}.mkv", flat, done)
        assert not refused.outcome.followed
        assert refused.outcome.steps == (), refused.outcome.said


def test_a_video_longer_than_the_challenge_is_old_is_refused(services: Services, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mkv", [np.full((120, 160, 3), 90, np.uint8)] * 60, rate=15)
    with pytest.raises(ChallengeError, match="not recorded for it"):
        answer_in_video(services, str(video), lambda: asked(age_s=0.0))
    assert answer_in_video(services, str(video), asked).outcome.failure == "no_face"
    with pytest.raises(PhotoNotFoundError):
        answer_in_video(
            services, str(tmp_path / "none.mkv"), lambda: pytest.fail("it was taken though there is no video")
        )
