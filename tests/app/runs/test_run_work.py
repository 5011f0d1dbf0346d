"""app.runs.work: what is analysed, and how it treats the machine meanwhile."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_info

import app.runs.work
from app.runs import Run
from app.runs.output import write_results
from app.runs.session import Plan, Session
from app.services import Services
from pipeline.images import open_photo
from tests.app_runs import Told
from tests.fakes import GREEN, RED, write_bars


def once(services: Services, photos: Path) -> tuple[Run, Told]:
    told = Told()
    with Session(services, Plan("r", (str(photos),)), told) as session:
        session.once()
    return session.run, told


def test_a_copy_met_before_the_commit_is_not_analysed_again(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.runs.work, "_COMMIT_S", 1e9)
    for number in range(60):  # more than are under way at a time, so the first is done when its copy is read
        write_bars(tmp_path / f"p/{number:02}.png", RED, note=number + 1)
    shutil.copy(tmp_path / "p/00.png", tmp_path / "p/99.png")
    run, told = once(services, tmp_path / "p")
    assert [len(batch.done) for batch in told.batches] == [61], "all of it was committed at the end"
    assert len(told.batches[0].contents) == run.meta()["analysed"] == 60
    first = next(run.faces())
    assert [Path(path).name for path in (first.photo, *first.other_paths)] == ["00.png", "99.png"]


def test_while_it_works_matrix_products_keep_to_one_thread(services: Services, tmp_path: Path) -> None:
    write_bars(tmp_path / "p/a.png", RED, GREEN)
    search, seen = services.gallery.search, []

    def watched(*args: Any, **options: Any) -> Any:
        seen.append({one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"})
        return search(*args, **options)

    services.gallery.search = watched  # type: ignore[method-assign]
    before = threadpool_info()
    once(services, tmp_path / "p")
    assert seen
    assert all(threads <= {1} for threads in seen)
    assert threadpool_info() == before


def test_a_face_keeps_its_quality_up_to_the_tables(services: Services, tmp_path: Path) -> None:
    write_bars(tmp_path / "p/a.png", RED, GREEN)
    run, _ = once(services, tmp_path / "p")
    seen = services.recognizer.analyse(open_photo(tmp_path / "p/a.png"))
    expected = [round(float(value), 1) for value in services.recognizer.assess(seen).unified]
    assert len(expected) == 2
    assert [face.quality for face in run.faces()] == expected
    write_results(run, tmp_path / "out", ("csv",))
    with (tmp_path / "out/results.csv").open(encoding="utf-8", newline="") as table:
        assert [float(row["quality"]) for row in csv.DictReader(table)] == expected
