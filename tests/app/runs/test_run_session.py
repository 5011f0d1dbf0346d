"""app.runs.session: what is new, changed, failed, gone or known; walks; watching; interruption."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import app.runs.work
from app.runs import Run
from app.runs.forget import forget, remove_run
from app.runs.ledger import Ledger
from app.runs.session import Plan, Session
from app.runs.walk import Chosen, walk
from app.services import Services
from pipeline.errors import RunBusyError, RunPathsError
from tests.app_runs import Told
from tests.fakes import BLUE, GREEN, RED, WHITE, YELLOW, write_bars

Go = Callable[..., tuple[Run, Told]]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_bars(tmp_path / "p/a.png", RED)
    write_bars(tmp_path / "p/deep/b.png", GREEN, BLUE)
    write_bars(tmp_path / "p/nobody.png", (0, 0, 0))
    shutil.copy(tmp_path / "p/a.png", tmp_path / "p/z-copy.png")
    (tmp_path / "p/broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    return tmp_path / "p"


@pytest.fixture
def go(services: Services, photos: Path) -> Go:
    """Runs `r` once over the folder and returns it with what was told."""

    def once(
        *roots: Path, chosen: Chosen | None = None, repeats: bool = False, replace: bool = False
    ) -> tuple[Run, Told]:
        told = Told()
        plan = Plan("r", tuple(map(str, roots or (photos,))), chosen or Chosen(), repeats, replace_paths=replace)
        with Session(services, plan, told) as session:
            session.once()
        return session.run, told

    return once


def outcome(run: Run) -> dict[str, tuple[str, str | None, int]]:
    return {Path(row.path).name: (row.state, row.error, row.faces) for row in run.files()}


def analysed(told: Told) -> int:
    return sum(content.error is None for batch in told.batches for content in batch.contents)


def test_first_time_and_again(go: Go, services: Services, tmp_path: Path) -> None:
    services.enrol("Ada", [write_bars(tmp_path / "ada.png", RED, note=9)])
    run, told = go()
    assert outcome(run) == {
        "a.png": ("done", None, 1),
        "broken.jpg": ("failed", "photo_damaged", 0),
        "b.png": ("done", None, 2),
        "nobody.png": ("done", "no_face", 0),
        "z-copy.png": ("done", None, 1),
    }
    assert analysed(told) == 3, "the copy is not analysed again"
    faces = list(run.faces())
    assert [(Path(face.photo).name, face.subject) for face in faces] == [
        ("a.png", "Ada"),
        ("b.png", None),
        ("b.png", None),
    ]
    assert [Path(path).name for path in faces[0].other_paths] == ["z-copy.png"]
    run, told = go()
    assert analysed(told) == 0
    assert [len(batch.done) for batch in told.batches] == [1], "only the failed one is tried again"


def test_new_changed_failed_and_gone_files(go: Go, photos: Path) -> None:
    go()
    write_bars(photos / "new.png", WHITE)
    write_bars(photos / "a.png", YELLOW, YELLOW)
    write_bars(photos / "broken.jpg", BLUE)
    (photos / "deep/b.png").unlink()
    run, told = go()
    assert analysed(told) == 3
    assert "1 file is no longer there, and left the result" in told.notes
    result = outcome(run)
    assert "b.png" not in result
    assert (result["a.png"][2], result["broken.jpg"][0], result["z-copy.png"][2]) == (2, "done", 1)
    assert len(list(run.faces())) == len(run.vectors()[0]) == 5
    (photos / "new.png").rename(photos / "renamed.png")
    assert analysed(go()[1]) == 0, "a file that only has another name is not analysed again"


def test_a_folder_that_is_away_keeps_its_results(go: Go, photos: Path) -> None:
    go()
    photos.rename(photos.with_name("away"))
    run, told = go()
    assert told.notes == []
    assert {state for state, *_ in outcome(run).values()} == {"failed"}
    photos.with_name("away").rename(photos)
    run, told = go()
    assert analysed(told) == 0
    assert outcome(run)["a.png"] == ("done", None, 1)


@pytest.mark.parametrize("was_away", [False, True])
def test_other_paths_do_not_cost_what_was_done(go: Go, photos: Path, *, was_away: bool) -> None:
    go()
    if was_away:
        photos.rename(photos.with_name("away"))
        go()
        photos.with_name("away").rename(photos)
    faces = outcome(go()[0])
    for other in (photos.with_name("p-with-a-typing-error"), photos / "deep"):
        with pytest.raises(RunPathsError, match=r"holds \d files outside these paths, such as .*--replace-paths"):
            go(other)
    run, told = go(photos.parent)
    assert (outcome(run), analysed(told)) == (faces, 0), "a folder around it is no other path"
    assert set(outcome(go(photos / "deep", replace=True)[0])) == {"b.png"}


def test_another_recipe_analyses_everything_anew(go: Go, services: Services) -> None:
    go()
    services.settings = services.settings.model_copy(update={"min_confidence": 0.7})
    run, told = go()
    assert analysed(told) == 3
    assert any("min_confidence = 0.6, now 0.7: every file is analysed anew" in note for note in told.notes)
    assert len(run.vectors()[0]) == 3


def test_a_gallery_that_changes_decides_everything_anew(go: Go, services: Services, tmp_path: Path) -> None:
    go()
    services.enrol("Bob", [write_bars(tmp_path / "bob.png", GREEN, note=9)])
    run, told = go()
    assert analysed(told) == 0
    assert [face.subject for face in run.faces()] == [None, "Bob", None]


def test_repeats_are_allowed_when_asked(go: Go, services: Services, photos: Path, tmp_path: Path) -> None:
    services.enrol("Ada", [write_bars(tmp_path / "ada.png", RED, note=9)])
    write_bars(photos / "a.png", RED, RED)
    assert sum(face.subject == "Ada" for face in go()[0].faces()) == 2  # one of them in the copy
    assert sum(face.subject == "Ada" for face in go(repeats=True)[0].faces()) == 3


def test_an_interruption_keeps_what_was_complete(
    services: Services, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        write_bars(photos / f"more/{number}.png", RED, note=number + 1)
    monkeypatch.setattr(app.runs.work, "_COMMIT_FILES", 3)

    class Impatient(Told):
        def committed(self, run: Run, batch: object) -> None:
            super().committed(run, batch)  # type: ignore[arg-type]
            if len(self.batches) == 2:
                raise KeyboardInterrupt

    told = Impatient()
    with pytest.raises(KeyboardInterrupt), Session(services, Plan("r", (str(photos),)), told) as session:
        session.once()
    progress = session.run.progress()
    assert progress["state"] == "stopped"
    assert 6 <= progress["done"] < progress["total"] == 45
    with Session(services, Plan("r", (str(photos),)), told := Told()) as session:
        session.once()
    assert told.notes == [f"going on: {progress['done'] - 1} of 45 files are done"], "one that failed is tried again"
    assert session.run.progress()["done"] == 45
    assert session.run.meta()["analysed"] == 43


def test_a_second_process_is_refused(go: Go, services: Services) -> None:
    with Ledger(services.settings.home, "r"), pytest.raises(RunBusyError, match="give this one another --run name"):
        go()


def test_watching_takes_files_once_they_are_whole(services: Services, photos: Path) -> None:
    told, looks = Told(), 0
    half = (photos / "a.png").read_bytes()

    def wait(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            (photos / "late.png").write_bytes(half[:-20])
        elif looks == 2:
            (photos / "late.png").write_bytes(half)
            os.utime(photos / "late.png", ns=(1, 1))
        elif looks == 5:
            raise KeyboardInterrupt

    with Session(services, Plan("r", (str(photos),)), told) as session:
        session.once()
        before = len(told.batches)
        with pytest.raises(KeyboardInterrupt):
            session.watch(wait)
        assert session.run.progress()["state"] == "watching"
    assert [done.path for batch in told.batches[before:] for done in batch.done] == [str(photos / "late.png")]
    assert outcome(session.run)["late.png"] == ("done", None, 1)


def test_a_video_is_a_row(go: Go, photos: Path) -> None:
    (photos / "film.mp4").write_bytes(b"no film")
    state, error, faces = outcome(go()[0])["film.mp4"]
    assert (state, faces) == ("failed", 0)
    assert error


def test_forgetting_a_person_and_a_photo(go: Go, services: Services, tmp_path: Path) -> None:
    services.enrol("Ada", [write_bars(tmp_path / "ada.png", RED, note=9)])
    run, _ = go()
    home = services.settings.home
    faces = list(run.faces())
    assert forget(home, subject="Ada").faces == 1
    assert faces[0].face_id not in run.vectors()[0]
    assert "Ada" not in {name for face in run.faces() for name in (face.subject, *(face.best or ()))}
    assert b"Ada" not in run.file.read_bytes()
    assert forget(home, photo_sha256s=[faces[1].sha256]).faces == 2
    assert list(run.faces()) == []
    assert analysed(go()[1]) == 0, "what was erased does not come back by itself"
    remove_run(run)
    assert not run.folder.exists()


# --- walking ---------------------------------------------------------------------------------------------------------


def found(*roots: Path, chosen: Chosen | None = None) -> list[str]:
    base = Path(os.path.commonpath([str(root) for root in roots]))
    return [str(Path(one.path).relative_to(base)) for one in walk([str(root) for root in roots], chosen or Chosen())]


def test_walking_passes_over_hidden_files_links_to_folders_and_other_files(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", "sub/c.webp", "sub/film.MOV", ".hidden.jpg", ".folder/x.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "sub/loop.jpg").symlink_to(tmp_path / "sub")
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "b.jpg")
    assert found(tmp_path) == ["a.PNG", "b.jpg", "link.jpg", "self.jpg", "sub/c.webp", "sub/film.MOV"]
    kinds = {Path(one.path).name: (one.kind, one.size) for one in walk([str(tmp_path)], Chosen())}
    assert kinds["film.MOV"] == ("video", 1)
    assert kinds["self.jpg"] == ("photo", None)
    (tmp_path / "start").symlink_to(tmp_path / "sub")
    assert len(list(walk([str(tmp_path / "start")], Chosen()))) == 2, "a link that is named is followed"
    assert found(tmp_path / "notes.txt", tmp_path / "missing.jpg") == ["notes.txt", "missing.jpg"]


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may list everything")
def test_a_folder_that_cannot_be_listed_is_found_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(0)
    (one,) = walk([str(tmp_path)], Chosen())
    assert (one.error, one.path) == ("photo_unreadable", str(tmp_path / "closed"))


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ((), (), ["a.jpg", "b.png", "x/a.jpg", "x/y/a.jpg", "x/y/c.png"]),
        (("*.JPG",), (), ["a.jpg", "x/a.jpg", "x/y/a.jpg"]),
        (("x/*.jpg",), (), ["x/a.jpg"]),
        (("x/**/*.jpg",), (), ["x/a.jpg", "x/y/a.jpg"]),
        (("y/",), (), ["x/y/a.jpg", "x/y/c.png"]),
        ((), ("y",), ["a.jpg", "b.png", "x/a.jpg"]),
        ((), ("x/*",), ["a.jpg", "b.png"]),
        (("a.*",), ("x/a.jpg", "?.png"), ["a.jpg", "x/y/a.jpg"]),
        (("[a].jpg",), (), []),
    ],
)
def test_patterns(tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], expected: list[str]) -> None:
    for name in ("a.jpg", "b.png", "x/a.jpg", "x/y/a.jpg", "x/y/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert found(tmp_path, chosen=Chosen(include, exclude)) == expected


def test_folders_of_results_are_passed_over(tmp_path: Path) -> None:
    write_bars(tmp_path / "out/report-files/1.png", RED)
    write_bars(tmp_path / "a.png", RED)
    assert found(tmp_path, chosen=Chosen(skip=frozenset([str(tmp_path / "out")]))) == ["a.png"]


def test_a_tree_deeper_than_the_stack(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(300):
        folder = folder / "d"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"x")
    assert len(found(tmp_path)) == 1
