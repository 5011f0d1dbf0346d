"""Batch: starting, progress, stopping, removing, by role; what is brought along; what is shown of a run."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import jobs
from app.access import Actor, Role
from app.batch import job_of
from app.runs import Run
from app.services import Services
from app.web import state
from tests.app.web.conftest import Page, photo, said, seen
from tests.fakes import RED
from tests.made_runs import made_run

NASTY = "<b>x</b> **y** [z](javascript:1)"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would have been started."""
    calls: list[dict[str, Any]] = []

    def start(job: jobs.Job, arguments: list[str], variables: dict[str, str], **how: Any) -> None:
        calls.append({"job": job, "arguments": arguments, **how})

    monkeypatch.setattr(jobs.Job, "start", start)
    return calls


def pressed(at: AppTest, label: str) -> AppTest:
    (button,) = (one for one in at.button if one.label == label)
    return button.click().run()


def labels(at: AppTest) -> set[str]:
    return {one.label for one in at.button}


@pytest.fixture
def as_role(services: Services, monkeypatch: pytest.MonkeyPatch) -> Callable[[Role], Services]:
    def act(role: Role) -> Services:
        other = services.acting_as(Actor("ada", role))
        monkeypatch.setattr(state, "services", lambda: other)
        return other

    return act


def test_an_empty_page_says_what_to_do_first(page: Page) -> None:
    at = page("batch")
    assert "Nobody is enrolled yet, so every face will be unknown." in seen(at)
    assert "There are no runs yet. Start one above" in seen(at)


def test_a_run_over_a_folder_is_started(page: Page, tmp_path: Path, started: list[dict[str, Any]]) -> None:
    at = pressed(page("batch"), "Start the run")
    assert "Give the run a name, and say which photos." in seen(at)
    at.text_input(key="batch_name").set_value("holiday")
    at.text_input(key="batch_folder").set_value(str(tmp_path / "none"))
    at = pressed(at, "Start the run")
    assert "there is no such folder" in seen(at)
    at.text_input(key="batch_folder").set_value(str(tmp_path))
    at = pressed(at, "Start the run")
    assert "The run holiday was started." in seen(at)
    (call,) = started
    assert call["arguments"] == ["identify", "--run", "holiday", "--", str(tmp_path)]


def test_a_zip_is_unpacked_under_names_of_ours(page: Page, services: Services, started: list[dict[str, Any]]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../evil.png", photo(RED)[1])
        archive.writestr("notes.txt", b"x")
    at = page("batch")
    (kind,) = (one for one in at.get("button_group") if one.key == "batch_kind")
    at = kind.set_value("zip").run()
    at.text_input(key="batch_name").set_value("brought")
    at.file_uploader(key="batch_zip").set_value(("a.zip", packed.getvalue(), "application/zip"))
    at = pressed(at, "Start the run")
    assert "The run brought was started, over 1 photo." in seen(at)
    assert started[0]["discard"]
    folder = job_of(services.settings.home, "brought").input
    assert [file.name for file in folder.iterdir()] == ["00001 evil.png"]


def test_runs_are_listed_with_what_may_be_done_by_role(
    page: Page, services: Services, as_role: Callable[[Role], Services]
) -> None:
    made_run(
        services.settings.home,
        "old",
        {"/photos/a.jpg": ["x", "y"]},
        failed={"/photos/b.jpg": ("photo_empty", "is empty")},
    )
    as_role(Role.VIEWER)
    at = page("batch")
    assert "old" in seen(at)
    assert "2 files, 2 faces" in seen(at)
    assert "1 file without a result" in seen(at)
    links = [one.proto.url for one in at.get("link_button")]
    assert links == ["/files/run/old/report.html", "/files/run/old/results.csv"]
    assert labels(at) == set()
    as_role(Role.OPERATOR)
    at = page("batch")
    assert "No folders are open to this page." in seen(at)
    assert "Remove…" not in labels(at)
    as_role(Role.ADMIN)
    assert "Remove…" in labels(page("batch"))


def test_a_run_is_removed_after_saying_what_that_erases(page: Page, services: Services) -> None:
    made_run(services.settings.home, "old", {"/photos/a.jpg": ["x", "y"]})
    at = pressed(page("batch"), "Remove…")
    assert "This erases the run old: pictures and templates of 2 faces" in seen(at)
    at = pressed(at, "Keep it")
    assert "This erases" not in seen(at)
    at = pressed(pressed(at, "Remove…"), "Erase the run")
    assert "The run old was erased." in seen(at)
    assert not (services.settings.home / "runs" / "old").exists()


def test_a_run_that_is_under_way_shows_how_far_and_can_be_stopped(
    page: Page, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_run(services.settings.home, "now", {"/photos/a.jpg": ["x"], "/photos/b.jpg": []})
    progress = {"state": "running", "total": 8, "done": 2, "failed": 0, "faces": 3, "started": "2026-01-02T03:04:05"}
    stopped: list[str] = []
    monkeypatch.setattr(Run, "progress", lambda _: progress)
    monkeypatch.setattr(jobs.Job, "alive", lambda _: not stopped)
    monkeypatch.setattr(jobs.Job, "stop", lambda job: stopped.append(job.folder.parent.name))
    at = page("batch")
    assert "under way" in seen(at)
    assert [one.proto.text for one in at.get("progress")] == ["2 of 8 files"]
    assert "started 2026-01-02 03:04 UTC" in seen(at)
    assert "Remove…" not in labels(at)
    at = pressed(at, "Stop")
    assert stopped == ["now"]
    assert "now was asked to stop" in seen(at)


def test_what_a_failed_run_said_is_shown_as_text(page: Page, services: Services) -> None:
    job = job_of(services.settings.home, "broken")
    job.folder.mkdir(parents=True)
    asked = {"arguments": ["/photos"], "by": "<i>ada</i>", "started": "2026-01-02T03:04:05", "note": "folder"}
    (job.folder / "job.json").write_text(json.dumps({"discard": False} | asked))
    (job.folder / "end.json").write_text('{"code": 3, "finished": "2026-01-02T03:05:00"}')
    job.log.write_text(f"knownface: {NASTY}\n")
    at = page("batch")
    assert "could not be finished" in seen(at)
    assert NASTY in seen(at)
    assert "<b>x</b>" not in said(at)
    assert "<i>ada</i>" not in said(at)
