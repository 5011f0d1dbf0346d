"""What decides who is let in, and what is said about people, is its owner's alone, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.access import Role
from app.access.users import Users
from app.api.idempotency import Requests
from app.policy import install, profile_file
from pipeline.config import Settings
from pipeline.gallery import private
from pipeline.weights.choice import write_choice
from tests.commands import runner

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")


@pytest.fixture(autouse=True)
def _generous_umask() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_policy_nobody_else_may_write(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "data" / "knownface")
    install(settings, profile_file("strict"))
    install(settings, profile_file("strict"))
    assert mode(settings.home / "policy.toml") == 0o600
    assert (mode(tmp_path / "data"), mode(settings.home)) == (0o700, 0o700)


def test_nobody_else_may_swap_a_run_or_who_has_access(tmp_path: Path) -> None:
    home = tmp_path / "home"
    private.make_folder(home / "runs" / "summer")
    assert [mode(folder) for folder in (home, home / "runs", home / "runs" / "summer")] == [0o700] * 3
    Users(tmp_path / "other" / "home").add("ada", Role.ADMIN, "correct horse battery")
    Requests(tmp_path / "third" / "home").begin("ada", "key", b"")
    assert [mode(tmp_path / name / "home") for name in ("other", "third")] == [0o700] * 2


def test_an_export_of_the_log_is_not_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], models_home: Path
) -> None:
    monkeypatch.setenv("KNOWNFACE_HOME", str(models_home))
    run = runner(capsys, "--gallery", tmp_path / "gallery")
    assert run("audit", "export", "--out", tmp_path / "log.jsonl").code == 0
    assert mode(tmp_path / "log.jsonl") == 0o600


def test_a_settings_file_with_a_password_stays_as_private_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    write_choice(file, {"embedder": "one.a"})
    assert mode(file) == 0o600
    file.chmod(0o640)
    write_choice(file, {"embedder": "two.b"})
    assert (mode(file), "two.b" in file.read_text()) == (0o640, True)
