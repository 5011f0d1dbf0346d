"""Runs that a page starts: whose folders, what is brought along, and what there is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import brought, jobs
from app.access import Actor, Role
from app.batch import again, allowed_folder, batch_of, batches, job_of, remove, start_brought, start_folder, stop
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import (
    ConfigError,
    DiskFullError,
    JobError,
    NotAllowedError,
    PhotoTooLargeError,
    PhotoUnreadableError,
    RunNameError,
    RunNotFoundError,
)
from pipeline.gallery import Gallery
from tests import fakes
from tests.made_runs import made_run


@dataclass
class Picture:
    name: str
    data: bytes = b"x"

    @property
    def size(self) -> int:
        return len(self.data)

    def getvalue(self) -> bytes:
        return self.data


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    (folder / "2024").mkdir(parents=True)
    return folder


@pytest.fixture
def services(tmp_path: Path, shared: Path) -> Iterator[Services]:
    service = Services(Settings(home=tmp_path / "home", batch_folders=(shared,)))
    service._gallery = Gallery.open(tmp_path / "gallery", fakes.MODEL_ID, fakes.DIMENSION)
    yield service
    service.close()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would have been started."""
    calls: list[dict[str, Any]] = []

    def start(job: jobs.Job, arguments: list[str], variables: dict[str, str], **how: Any) -> None:
        calls.append({"job": job, "arguments": arguments, "variables": variables, **how})

    monkeypatch.setattr(jobs.Job, "start", start)
    return calls


def logged_in(services: Services, role: Role) -> Services:
    return services.acting_as(Actor("ada", role))


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
def test_who_is_logged_in_may_name_the_folders_of_the_settings(services: Services, shared: Path, role: Role) -> None:
    ada = logged_in(services, role)
    assert allowed_folder(ada, str(shared)) == shared
    assert allowed_folder(ada, f"{shared}/2024/../2024/") == shared / "2024"


def test_no_way_leads_out_of_them(services: Services, shared: Path, tmp_path: Path) -> None:
    ada, secret = logged_in(services, Role.ADMIN), tmp_path / "secret"
    secret.mkdir()
    (tmp_path / "shared-too").mkdir()
    (shared / "link").symlink_to(secret)
    (shared / "loop").symlink_to(shared / "loop")
    ways = [secret, shared / "..", shared / "2024/../../secret", shared / "link", f"{shared}-too", "/", "", "2024"]
    said = set()
    for way in [*ways, shared / "none", shared / "loop", "~root", "~nobody-here", f"{shared}\0", f"{shared}/\ud800"]:
        with pytest.raises(PhotoUnreadableError) as caught:
            allowed_folder(ada, str(way))
        said.add(caught.value.message.partition(":")[2])
    assert len(said) == 1  # whether a folder is there is not told


def test_who_sits_at_the_machine_may_name_any_and_a_namesake_may_not(services: Services, tmp_path: Path) -> None:
    assert allowed_folder(services, str(tmp_path)) == tmp_path
    with pytest.raises(PhotoUnreadableError, match="no such folder"):
        allowed_folder(services, str(tmp_path / "none"))
    namesake = services.acting_as(Actor(services.actor.name, services.actor.role))
    with pytest.raises(PhotoUnreadableError, match="batch_folders"):
        allowed_folder(namesake, str(tmp_path))


def test_a_folder_of_the_settings_is_a_whole_path() -> None:
    with pytest.raises(ConfigError, match="batch_folders"):
        Settings.load(None, batch_folders=("photos",))


def test_roles(services: Services, shared: Path, started: list[dict[str, Any]]) -> None:
    viewer, operator = logged_in(services, Role.VIEWER), logged_in(services, Role.OPERATOR)
    made_run(services.settings.home, "old", {})
    for refused in (
        lambda: start_folder(viewer, "one", str(shared)),
        lambda: start_brought(viewer, "one", [Picture("a.jpg")], keep=False),
        lambda: again(viewer, "old"),
        lambda: stop(viewer, "old"),
        lambda: remove(viewer, "old"),
        lambda: remove(operator, "old"),
    ):
        with pytest.raises(NotAllowedError):
            refused()
    assert started == []
    assert [one.name for one in batches(services.settings.home)] == ["old"]
    remove(logged_in(services, Role.ADMIN), "old")
    assert batches(services.settings.home) == []


def test_a_run_is_started_as_the_command_line_does(
    services: Services, shared: Path, started: list[dict[str, Any]], tmp_path: Path
) -> None:
    start_folder(logged_in(services, Role.OPERATOR), "holiday", str(shared), tmp_path / "settings.toml")
    (call,) = started
    config = ["--config", str(tmp_path / "settings.toml")]
    assert call["arguments"] == [*config, "identify", "--run", "holiday", "--", str(shared)]
    assert call["by"] == "ada"
    assert call["variables"]["KNOWNFACE_HOME"] == str(tmp_path / "home")
    assert [(one.action, one.actor) for one in services.gallery.audit(action="run")] == [("run", "ada")]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "nul", "a\0b"])
def test_a_run_has_a_name_that_is_no_path(services: Services, shared: Path, name: str) -> None:
    with pytest.raises(RunNameError):
        start_folder(services, name, str(shared))
    with pytest.raises(RunNameError):
        start_brought(services, name, [Picture("a.jpg")], keep=False)
    assert batch_of(services.settings.home, name) is None


def test_one_at_a_time(services: Services, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job_of(services.settings.home, "one").folder.mkdir(parents=True)
    monkeypatch.setattr(jobs.Job, "alive", lambda job: job.folder.parent.name == "one")
    with pytest.raises(JobError, match="the run one is under way"):
        start_folder(services, "two", str(shared))
    with pytest.raises(JobError, match="stop it first"):
        remove(services, "one")


def test_photos_are_put_under_names_of_ours(services: Services, started: list[dict[str, Any]]) -> None:
    names = ["../../etc/passwd.jpg", "C:\\x\\con.png", "/abs/ü ñ.jpg", "a\nb.jpg", "a.jpg", "a.jpg"]
    assert start_brought(services, "zip", [Picture(name) for name in names], keep=False) == 6
    (call,) = started
    folder = job_of(services.settings.home, "zip").input
    assert call["discard"]
    assert call["arguments"][-1] == str(folder)
    files = sorted(file.name for file in folder.iterdir())
    assert files == [
        "00001 passwd.jpg",
        "00002 con.png",
        "00003 ü ñ.jpg",
        "00004 a_b.jpg",
        "00005 a.jpg",
        "00006 a.jpg",
    ]
    assert all(file.stat().st_mode & 0o077 == 0 for file in (folder, *folder.iterdir()))
    with pytest.raises(RunNameError, match="already"):
        start_brought(services, "zip", [Picture("b.jpg")], keep=False)
    assert len(list(folder.iterdir())) == 6


def test_what_cannot_be_started_leaves_nothing(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = services.settings.home / "runs"
    monkeypatch.setattr(brought, "MOST_PHOTOS", 2)
    with pytest.raises(PhotoTooLargeError, match="at most 2"):
        start_brought(services, "zip", [Picture(f"{n}.jpg") for n in range(3)], keep=True)
    monkeypatch.setattr(brought, "MOST_BYTES", 2**20)
    with pytest.raises(PhotoTooLargeError, match="1 MB"):
        start_brought(services, "zip", [Picture("a.jpg", b"x" * (2**20 + 1))], keep=True)
    with pytest.raises(PhotoUnreadableError, match="no photos"):
        start_brought(services, "zip", [], keep=True)
    monkeypatch.setattr(brought, "room", lambda _: 2**19)
    with pytest.raises(DiskFullError, match="room for 0 MB"):
        start_brought(services, "zip", [Picture("a.jpg", b"x" * 2**20)], keep=True)
    assert not (runs / "zip").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is a device of Linux")
def test_a_disk_that_becomes_full_leaves_nothing(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = os.open

    def full(file: Any, *how: Any, **more: Any) -> int:
        return taken("/dev/full", os.O_WRONLY) if str(file).endswith("a.jpg") else taken(file, *how, **more)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(DiskFullError, match="became full"):
        start_brought(services, "zip", [Picture("a.jpg", b"x" * 2**20)], keep=True)
    monkeypatch.undo()
    assert not (services.settings.home / "runs" / "zip").exists()


def test_what_was_brought_and_thrown_away_cannot_be_looked_at_again(services: Services, shared: Path) -> None:
    made_run(services.settings.home, "old", {"/photos/a.jpg": ["ada"]})
    assert not getattr(batch_of(services.settings.home, "old"), "again", True)
    with pytest.raises(RunNotFoundError):
        again(services, "old")


def test_a_real_run_that_cannot_begin_says_why(services: Services, shared: Path) -> None:
    start_folder(services, "one", str(shared))
    while (found := batch_of(services.settings.home, "one")) is not None and found.busy:
        pass
    assert found is not None
    assert found.state == "failed"
    assert "models pull" in found.message
    assert found.again
    remove(services, "one")
    assert batches(services.settings.home) == []
