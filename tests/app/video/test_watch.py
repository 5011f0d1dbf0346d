"""Events of a camera: who appears, gets a name, leaves; in the library and from the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.services import Services
from app.video.watch import Event, Watcher
from pipeline.config import Settings
from pipeline.gallery import Gallery
from pipeline.images import Photo, from_array
from tests import fakes
from tests.commands import Cli, runner
from tests.fakes import GREEN, RED, YELLOW, bars
from tests.videos import two_cross_then_cut

BLACK = (0, 0, 0)
ZERO = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return runner(capsys)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Coloured bars for faces; the red one is enrolled."""
    made = Services(Settings(home=tmp_path / "home", workers=2))
    made._recognizer = fakes.fake_recognizer()
    made._gallery = Gallery.open(tmp_path / "gallery", fakes.MODEL_ID, fakes.DIMENSION)
    made.__dict__["points"] = fakes.points()
    made.enrol_faces("Red", made.recognizer.analyse(picture(RED)))
    yield made
    made.close()


def picture(*colours: tuple[int, int, int]) -> Photo:
    return from_array(bars(*colours), "camera 0")


def told(events: list[Event]) -> list[tuple[str, int, str | None]]:
    return [(event.kind, event.number, event.decision.subject) for event in events]


def test_somebody_comes_and_goes(services: Services) -> None:
    watcher = Watcher(services, ZERO)
    assert watcher.look(picture(RED, BLACK), 10.0) == []
    (came,) = watcher.look(picture(RED, BLACK), 10.2)
    assert (came.kind, came.number, came.decision.subject) == ("appeared", 1, "Red")
    assert (came.at, round(came.seconds, 3)) == (ZERO + timedelta(seconds=10.2), 0.2)
    assert came.box[2] == fakes.BAR
    assert watcher.look(picture(RED, GREEN), 10.4) == []
    assert told(watcher.look(picture(RED, GREEN), 10.6)) == [("appeared", 2, None)]
    assert watcher.tick(12.6) == []
    left = watcher.tick(12.7)
    assert told(left) == [("left", 1, "Red"), ("left", 2, None)]
    assert left[0].at == ZERO + timedelta(seconds=10.6), "when they were last seen"
    assert watcher.tick(99) == []
    assert watcher.finish() == []


def test_a_face_seen_once_is_no_event(services: Services) -> None:
    watcher = Watcher(services, ZERO)
    assert watcher.look(picture(RED), 0.0) + watcher.look(picture(BLACK), 0.2) + watcher.finish() == []


def test_who_is_enrolled_meanwhile_gets_a_name(services: Services) -> None:
    watcher = Watcher(services, ZERO)
    events = [event for n in range(3) for event in watcher.look(picture(GREEN), 0.2 * n)]
    services.enrol_faces("Green", services.recognizer.analyse(picture(GREEN)))
    events += [event for n in range(3, 20) for event in watcher.look(picture(GREEN), 0.2 * n)]
    assert told([*events, *watcher.finish()]) == [*(("appeared", 1, None), ("named", 1, "Green"), ("left", 1, "Green"))]


def test_frames_in_which_no_face_can_be_aligned_are_passed_over(services: Services) -> None:
    watcher = Watcher(services, ZERO)
    assert [watcher.look(picture(fakes.DEGENERATE), 0.2 * n) for n in range(3)] == [[], [], []]


def test_after_a_switch_of_the_model_everybody_comes_anew(services: Services) -> None:
    watcher = Watcher(services, ZERO)
    for n in range(3):
        watcher.look(picture(YELLOW), 0.2 * n)
    watcher._model_id = "another@00000000"
    assert told(watcher.look(picture(YELLOW), 0.6)) == [("left", 1, None)]
    assert told(watcher.look(picture(YELLOW), 0.8)) == [("appeared", 2, None)]


def test_an_event_as_json(services: Services) -> None:
    watcher = Watcher(services, ZERO)
    watcher.look(picture(RED), 0.0)
    (event,) = watcher.look(picture(RED), 0.25)
    document = event.as_dict()
    assert document["time"] == "2026-01-01T12:00:00.250+00:00"
    assert {"event": "appeared", "appearance": 1, "subject": "Red", "seconds": 0.25}.items() <= document.items()
    assert document["score"] >= document["threshold"]


def test_json_is_refused_since_there_is_no_end(cli: Cli) -> None:
    result = cli("--json", "watch-camera", "0")
    assert result.code == 2
    assert "--json-lines" in result.document["message"]


def test_a_stream_that_cannot_be_opened(cli: Cli, models_home: Path, tmp_path: Path) -> None:
    result = cli("--json-lines", "watch-camera", tmp_path / "nowhere.mp4")
    assert result.code == 3
    assert result.lines[0]["error"] == "stream_lost"


@pytest.mark.slow
def test_a_film_played_before_the_camera(cli: Cli, models_home: Path, sample_photos: Path, tmp_path: Path) -> None:
    clip = two_cross_then_cut(sample_photos / "photos", tmp_path / "clip.mp4")
    gallery = tmp_path / "gallery"
    assert cli("--gallery", gallery, "enrol", "--folder", sample_photos / "enrol").code == 0
    result = cli("--gallery", gallery, "--json-lines", "watch-camera", clip)
    assert result.code == 0
    events = {(line["event"], line["subject"]) for line in result.lines}
    people = ("Barack Obama", "Jacinda Ardern", None)
    assert events >= {(event, who) for event in ("appeared", "left") for who in people}


@pytest.mark.slow
def test_ctrl_c_ends_it_cleanly(models_home: Path, sample_photos: Path, tmp_path: Path) -> None:
    clip = two_cross_then_cut(sample_photos / "photos", tmp_path / "clip.mp4")
    command = [sys.executable, "-m", "app.cli", "--json-lines", "watch-camera", str(clip)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=180)
    assert '"appeared"' in first
    assert process.returncode == 0
    assert '"left"' in out, "who is there is said to leave"
    assert "Traceback" not in err
