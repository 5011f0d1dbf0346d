"""From a video to rows: who appears, when, and with which template; in the library, the command line and a run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from app.cli.context import Context
from app.cli.identify import print_identifications
from app.outcomes import Identification
from app.results import COLUMNS, as_csv, as_json
from app.runs import Run
from app.runs.session import Plan, Session
from app.services import Services
from app.video.appearances import Appearances, analyse_video, track_settings
from pipeline.config import Settings
from pipeline.errors import NoOperatingPointError, PhotoError
from pipeline.gallery import Gallery
from pipeline.images import from_array
from pipeline.recognizer import Faces, Recognizer
from pipeline.tracks import TrackSettings
from pipeline.types import Image, Qualities
from tests import fakes
from tests.commands import Cli, runner
from tests.fakes import BLUE, GREEN, RED, WHITE, YELLOW, bars, vector_of
from tests.videos import LOSSLESS, two_cross_then_cut, write_video

BLACK = (0, 0, 0)
TRACKING = TrackSettings(same=0.7, other=0.35)


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
    made.enrol_faces("Red", made.recognizer.analyse(from_array(bars(RED), "red.png")))
    yield made
    made.close()


def film(path: Path, *scenes: tuple[Image, int]) -> Path:
    """A video of ten frames a second: each picture for so many frames."""
    return write_video(path, [picture for picture, count in scenes for _ in range(count)], rate=10, codec=LOSSLESS)


def analysed(path: Path, **settings: Any) -> Appearances:
    return analyse_video(path, fakes.fake_recognizer(), Settings(**settings), TRACKING, workers=2)


def test_each_time_somebody_is_to_be_seen_is_one_appearance(tmp_path: Path) -> None:
    path = film(
        tmp_path / "a.mkv",
        (bars(RED, BLACK), 10),
        (bars(RED, GREEN), 10),
        (bars(BLACK, BLACK), 30),
        (bars(RED, BLACK), 10),
    )
    found = analysed(path)
    assert found.spans == ((0.0, 1.8), (1.0, 1.8), (5.0, 5.8))
    assert found.seen == (10, 5, 5)
    for row, colour in enumerate((RED, GREEN, RED)):
        assert found.templates.vectors[row] == pytest.approx(vector_of(colour), abs=1e-6)
        picture = cv2.imdecode(np.frombuffer(found.thumbnails[row], np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape[0] > 40
    assert found.detections.boxes[:, 0].tolist() == [0, fakes.BAR, 0]
    assert found.templates.model_id == fakes.MODEL_ID


def test_the_same_video_gives_the_same_however_many_workers(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", *((bars(RED, colour), 3) for colour in (GREEN, BLUE, BLACK, WHITE, GREEN) * 3))
    one, other = (analyse_video(path, fakes.fake_recognizer(), Settings(), TRACKING, workers=n) for n in (1, 3))
    assert one.spans == other.spans
    assert len(one) > 3
    assert np.array_equal(one.templates.vectors, other.templates.vectors)
    assert one.thumbnails == other.thumbnails
    assert one.detections.boxes.tolist() == other.detections.boxes.tolist()


def test_a_face_seen_once_is_dropped_unless_the_video_is_one_frame(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", (bars(RED), 9), (bars(GREEN), 1), (bars(RED), 10))
    assert len(analysed(path, video_interval_ms=100)) == 1
    assert len(analysed(path, video_interval_ms=100, video_min_seen=1)) == 2
    assert len(analysed(film(tmp_path / "b.mkv", (bars(RED, GREEN), 1)))) == 2


def test_nobody_and_faces_that_cannot_be_aligned(tmp_path: Path) -> None:
    assert len(analysed(film(tmp_path / "a.mkv", (bars(BLACK), 5)))) == 0
    found = analysed(film(tmp_path / "b.mkv", (bars(fakes.DEGENERATE), 5), (bars(RED), 5)))
    assert found.spans == ((0.6, 0.8),), "0.5 is no multiple of the interval"


def test_settings_of_a_track_come_from_the_operating_point() -> None:
    assert track_settings(Settings(video_max_gap_s=7), fakes.points(0.6), fakes.MODEL_ID) == TrackSettings(
        same=0.6, other=0.3, max_gap_s=7
    )
    assert track_settings(Settings(), fakes.points(-0.1), fakes.MODEL_ID).other == -0.1
    with pytest.raises(NoOperatingPointError):
        track_settings(Settings(), (), fakes.MODEL_ID)


def test_identify_names_photos_and_videos_in_their_order(services: Services, tmp_path: Path) -> None:
    photo = fakes.write_bars(tmp_path / "a.png", RED)
    clip = film(tmp_path / "b.mkv", (bars(RED, YELLOW), 10))
    empty = film(tmp_path / "c.mp4.mkv", (bars(BLACK), 10))
    broken = tmp_path / "d.mp4"
    broken.write_bytes(b"no video")
    rows = list(services.identify([photo, clip, empty, broken, photo]))
    assert [Path(row.photo).name for row in rows] == ["a.png", "b.mkv", "c.mp4.mkv", "d.mp4", "a.png"]
    assert [decision.subject for decision in rows[1].decisions] == ["Red", None]
    assert [row.error.code if row.error else None for row in rows] == [None, None, "no_face", "video_format", None]
    assert rows[2].error is not None
    assert "photo" not in rows[2].error.message.removeprefix(str(tmp_path))


def test_one_person_may_be_named_in_a_video_more_than_once(services: Services, tmp_path: Path) -> None:
    clip = film(tmp_path / "b.mkv", (bars(RED, RED), 10))
    (row,) = services.identify([clip])
    assert [decision.subject for decision in row.decisions] == ["Red", "Red"]


def test_rows_of_a_video_have_a_beginning_and_an_end(services: Services, tmp_path: Path) -> None:
    rows: list[Identification] = list(services.identify([film(tmp_path / "b.mkv", (bars(RED, GREEN), 10))]))
    rows += services.identify([fakes.write_bars(tmp_path / "a.png", RED)])
    faces = json.loads(as_json(rows))["faces"]
    assert [(face.get("start_s"), face.get("end_s")) for face in faces] == [(0.0, 0.8), (0.0, 0.8), (None, None)]
    assert "start_s" not in faces[2]
    table = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert tuple(table[0]) == COLUMNS
    assert [(row["start_s"], row["end_s"]) for row in table] == [("0.0", "0.8"), ("0.0", "0.8"), ("", "")]


class Quiet:
    """Hears nothing."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def test_a_run_has_a_row_and_a_picture_for_each_appearance(services: Services, tmp_path: Path) -> None:
    clip = film(tmp_path / "in" / "b.mkv", (bars(RED, GREEN), 10), (bars(BLACK), 30), (bars(RED, BLACK), 10))
    (tmp_path / "in" / "same.mkv").write_bytes(clip.read_bytes())
    (tmp_path / "in" / "d.mp4").write_bytes(b"no video")
    fakes.write_bars(tmp_path / "in" / "a.png", RED)
    run = identify_run(services, tmp_path / "in")
    states = {Path(row.path).name: (row.kind, row.state, row.error, row.faces) for row in run.files()}
    assert states == {
        "a.png": ("photo", "done", None, 1),
        "b.mkv": ("video", "done", None, 3),
        "d.mp4": ("video", "failed", "video_format", 0),
        "same.mkv": ("video", "done", None, 3),
    }
    faces = [face for face in run.faces() if face.kind == "video"]
    assert [(face.subject, face.start_s, face.end_s) for face in faces] == [
        *(("Red", 0.0, 0.8), (None, 0.0, 0.8), ("Red", 4.0, 4.8))
    ]
    assert [face.face_id[-3:] for face in faces] == ["-t1", "-t2", "-t3"]
    assert [Path(path).name for path in faces[0].other_paths] == ["same.mkv"]
    assert run.thumbnail(faces[0].face_id).startswith(b"\xff\xd8")


def test_a_run_looks_at_videos_anew_when_their_settings_change_and_at_photos_not(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(*_: object) -> None:
        raise AssertionError("the photo was analysed again")

    film(tmp_path / "in" / "b.mkv", (bars(RED), 10))
    fakes.write_bars(tmp_path / "in" / "a.png", GREEN)
    run = identify_run(services, tmp_path / "in")
    assert [face.end_s for face in run.faces()] == [None, 0.8]
    services.settings = services.settings.model_copy(update={"video_interval_ms": 300})
    monkeypatch.setattr("app.runs.work.new_content", again)
    heard = Quiet()
    identify_run(services, tmp_path / "in", heard)
    assert [face.end_s for face in run.faces()] == [None, 0.9]
    assert "every video is analysed anew" in "".join(heard.notes)


def test_the_best_shot_is_the_one_of_the_best_unified_quality(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer, given = services.recognizer, iter([40.0, 91.26, 60.0, *[50.0] * 9])

    def said(faces: Faces) -> Qualities:
        return replace(Recognizer.assess(recognizer, faces), unified=np.array([next(given)], np.float32))

    monkeypatch.setattr(recognizer, "assess", said)
    film(tmp_path / "in" / "a.mkv", (bars(RED), 10))
    assert [face.quality for face in identify_run(services, tmp_path / "in").faces()] == [91.3]


def identify_run(services: Services, folder: Path, heard: Any = None) -> Run:
    """A run over a folder, to its end."""
    with Session(services, Plan("r", (str(folder),)), heard or Quiet()) as session:
        session.once()
    return session.run


def test_real_people_who_cross_and_a_cut(cli: Cli, models_home: Path, sample_photos: Path, tmp_path: Path) -> None:
    """Truth: Barack Obama and Jacinda Ardern for 4 s, the one hidden behind the other; then Rishi Sunak, a stranger."""
    clip = two_cross_then_cut(sample_photos / "photos", tmp_path / "clip.mp4")
    gallery = tmp_path / "gallery"
    assert cli("--gallery", gallery, "enrol", "--folder", sample_photos / "enrol").code == 0
    result = cli("--gallery", gallery, "--json", "identify", clip)
    assert result.code == 0
    faces = {face["subject"]: (face["start_s"], face["end_s"]) for face in result.document["faces"]}
    assert faces == {"Barack Obama": (0.0, 3.8), "Jacinda Ardern": (0.0, 3.8), None: (4.0, 5.8)}


def test_the_table_shows_when(services: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(services.identify([film(tmp_path / "b.mkv", (bars(RED), 700), (bars(BLACK), 5))]))
    print_identifications(Context(), rows)
    assert "0:00.0-1:09.8" in capsys.readouterr().out


def test_a_video_is_no_photo_to_enrol(services: Services, tmp_path: Path) -> None:
    clip = film(tmp_path / "b.mkv", (bars(RED), 10))
    (row,) = services.enrol("Film", [clip])
    assert isinstance(row.error, PhotoError)
    assert row.error.code == "photo_format"
