"""app.runs.records: a run is read as it was written, in a fixed order, by anybody."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from app.runs import Run, runs_of
from app.runs.ledger import Found, Ledger
from app.services import Services
from pipeline.errors import ModelMismatchError, RunBusyError, RunDamagedError, RunNameError, RunNotFoundError
from tests.fakes import write_bars
from tests.made_runs import decide_by_name, face_vector, made_run, sha_of

PHOTOS = {"/p/b.jpg": ["ada", "stranger"], "/p/a.jpg": ["ada#2"], "/p/nobody.jpg": []}


def test_files_and_faces_come_in_the_order_of_paths(tmp_path: Path) -> None:
    run = made_run(
        tmp_path,
        "holiday",
        PHOTOS,
        videos={"/p/film.mp4": [("ada", 0.5, 2.0)]},
        failed={"/p/bad.jpg": ("photo_damaged", "is damaged")},
        same_as={"/p/zz.jpg": "/p/b.jpg", "/p/z\udcff.jpg": "/p/b.jpg"},
    )
    files = {row.path: row for row in run.files()}
    assert list(files) == sorted(files, key=os.fsencode)
    assert (files["/p/bad.jpg"].state, files["/p/bad.jpg"].error) == ("failed", "photo_damaged")
    assert files["/p/bad.jpg"].message == "/p/bad.jpg: is damaged"
    assert (files["/p/nobody.jpg"].state, files["/p/nobody.jpg"].error) == ("done", "no_face")
    assert (files["/p/b.jpg"].faces, files["/p/zz.jpg"].faces, files["/p/film.mp4"].kind) == (2, 2, "video")
    faces = list(run.faces())
    assert [(face.photo, face.number) for face in faces] == [
        *(("/p/a.jpg", 1), ("/p/b.jpg", 1), ("/p/b.jpg", 2), ("/p/film.mp4", 1))
    ]
    assert faces[1].other_paths == ("/p/zz.jpg", "/p/z\udcff.jpg")
    assert faces[1].face_id == f"{sha_of('/p/b.jpg')[:16]}-1"
    assert faces[3].face_id == f"{sha_of('/p/film.mp4')[:16]}-t1"
    assert (faces[3].start_s, faces[3].end_s, faces[3].kind) == (0.5, 2.0, "video")
    assert faces[0].decision is None


def test_decisions_vectors_and_pictures(tmp_path: Path) -> None:
    run = made_run(tmp_path, "r", PHOTOS)
    decide_by_name(run, ["ada", "bob"])
    faces = list(run.faces())
    assert [(face.decision, face.subject) for face in faces] == [
        *(("match", "ada"), ("match", "ada"), ("unknown", None))
    ]
    assert faces[2].best is not None
    assert faces[2].best[1] == faces[2].score
    names, vectors = run.vectors("unknown")
    assert names == [faces[2].face_id]
    assert np.array_equal(vectors[0], face_vector("stranger"))
    names, vectors = run.vectors([faces[2].face_id, "0000-1", "nonsense", faces[0].face_id])
    assert names == [faces[2].face_id, faces[0].face_id]
    assert vectors.dtype == np.float32
    assert len(run.vectors()[0]) == 3
    assert run.thumbnail(faces[0].face_id).startswith(b"\xff\xd8")
    with pytest.raises(RunNotFoundError, match="no picture"):
        run.thumbnail("0000-9")
    assert run.summary()["decisions"] == {"match": 2, "unknown": 1}
    assert run.summary()["subjects"] == 1


def test_clusters_are_kept_and_taken_back(tmp_path: Path) -> None:
    run = made_run(tmp_path, "r", PHOTOS)
    ids = [face.face_id for face in run.faces()]
    run.set_clusters({ids[0]: "c1", ids[2]: "c2", "ffff-1": "c3"})
    run.set_clusters({ids[0]: None})
    assert [face.cluster for face in run.faces()] == [None, None, "c2"]


def test_one_process_at_a_time_and_progress_from_another(tmp_path: Path) -> None:
    made_run(tmp_path, "r", {})
    run = Run.open(tmp_path, "r")
    assert run.progress()["state"] == "finished"
    with Ledger(tmp_path, "r") as ledger:
        ledger.set_meta(state="running")
        ledger.seen([Found("/p/a.jpg", "photo", 1, 1)], 1)
        assert (run.progress()["state"], run.progress()["total"], run.progress()["done"]) == ("running", 1, 0)
        with pytest.raises(RunBusyError, match="another process works on the run r"):
            Ledger(tmp_path, "r")
    assert run.progress()["state"] == "stopped"  # it never said that it was finished


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    run = made_run(tmp_path, "r", {"/p/a.jpg": ["ada"]})
    assert stat.S_IMODE(run.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in run.folder.iterdir()} == {0o600}


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", ".hidden", "a.", "con", "NUL.txt", "x" * 101, "a\nb", "-x"])
def test_names_that_cannot_be_used(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunNameError):
        Run.open(tmp_path, name)


def test_runs_that_are_not_there_or_broken(tmp_path: Path) -> None:
    assert runs_of(tmp_path) == []
    with pytest.raises(RunNotFoundError, match="there is no run r"):
        Run.open(tmp_path, "r")
    made_run(tmp_path, "b", {})
    made_run(tmp_path, "a", {})
    assert [run.name for run in runs_of(tmp_path)] == ["a", "b"]
    (tmp_path / "runs" / "a" / "ledger.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(RunDamagedError, match="knownface runs remove a"):
        list(runs_of(tmp_path)[0].files())


def test_decided_from_vectors_and_anew_when_the_gallery_has_changed(tmp_path: Path, services: Services) -> None:
    from tests.fakes import BLUE, RED, vector_of

    services.enrol("Ada", [write_bars(tmp_path / "ada.png", RED)])
    run = made_run(tmp_path, "r", {"/p/a.jpg": ["x", "y"]})
    with Ledger(tmp_path, "r") as ledger:
        content = next(iter(_colours(sha_of("/p/a.jpg"), vector_of(RED), vector_of(BLUE))))
        ledger.put([content], [])
    assert run.decide(services) == 2
    assert [(face.decision, face.subject) for face in run.faces()] == [("match", "Ada"), ("unknown", None)]
    assert run.decide(services) == 0
    services.enrol("Bob", [write_bars(tmp_path / "bob.png", BLUE)])
    assert run.decide(services) == 2
    assert [face.subject for face in run.faces()] == ["Ada", "Bob"]
    with Ledger(tmp_path, "r") as ledger:
        ledger.set_meta(model_id="other.model@12345678")
    with pytest.raises(ModelMismatchError, match="embeds its faces anew"):
        run.decide(services)


def _colours(sha256: str, *vectors: np.ndarray):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    from app.runs.records import Content
    from tests.made_runs import made_face

    faces = tuple(replace(made_face("x", n), vector=vector) for n, vector in enumerate(vectors, 1))
    yield Content(sha256, "photo", (480, 640), faces)
