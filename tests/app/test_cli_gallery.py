"""`gallery` as a contract; one that may not be written; and who is asked before something is destroyed."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commands import PEOPLE, Cli
from tests.confined import weak


def listed(cli: Cli, gallery: Path) -> dict[str, int]:
    subjects = cli("--json", "--gallery", gallery, "gallery", "list").document["subjects"]
    return {row["subject"]: row["samples"] for row in subjects}


def test_gallery_list(cli: Cli, enrolled: Path) -> None:
    assert listed(cli, enrolled) == dict.fromkeys(PEOPLE, 1)
    lines = cli("--json-lines", "--gallery", enrolled, "gallery", "list").lines
    assert lines == [{"subject": name, "samples": 1} for name in PEOPLE]
    assert len(cli("--gallery", enrolled, "gallery", "list").out.splitlines()) == 5
    found = cli("--json", "--gallery", enrolled, "gallery", "list", "--search", "OBAMA").document
    assert [row["subject"] for row in found["subjects"]] == ["Barack Obama"]


def test_gallery_show(cli: Cli, enrolled: Path, sample_photos: Path) -> None:
    document = cli("--json", "--gallery", enrolled, "gallery", "show", "Joe Biden").document
    assert document["subject"] == "Joe Biden"
    (sample,) = document["samples"]
    assert sample["photo"] == str(sample_photos / "enrol/Joe Biden/joe-biden-2010.jpg")
    assert sample["usable"] is True
    assert sample["sample_id"] in cli("--gallery", enrolled, "gallery", "show", "Joe Biden").out


def test_gallery_remove_rename_merge(cli: Cli, gallery: Path, obama: list[Path]) -> None:
    assert cli("--json", "--gallery", gallery, "gallery", "remove", "Joe Biden").code == 0
    assert "Joe Biden" not in listed(cli, gallery)
    assert cli("--gallery", gallery, "gallery", "rename", "Barack Obama", "B. O.").code == 0
    (face,) = cli("--json", "--gallery", gallery, "identify", obama[0]).document["faces"]
    assert face["subject"] == "B. O."
    assert cli("--gallery", gallery, "gallery", "merge", "B. O.", "Jacinda Ardern").code == 0
    assert listed(cli, gallery) == {"Emmanuel Macron": 1, "Jacinda Ardern": 2}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("show", "Joe Bidn"), "subject_not_found"),
        (("remove", "Nobody"), "subject_not_found"),
        (("rename", "Nobody", "X"), "subject_not_found"),
        (("rename", "Joe Biden", "Barack Obama"), "subject_exists"),
        (("rename", "Joe Biden", " "), "subject_name"),
        (("merge", "Joe Biden", "Nobody"), "subject_not_found"),
    ],
)
def test_gallery_errors(cli: Cli, enrolled: Path, command: tuple[str, ...], code: str) -> None:
    result = cli("--json", "--gallery", enrolled, "gallery", *command)
    assert (result.code, result.document["error"]) == (3, code)
    assert set(result.document) == {"error", "message"}
    if command[1] == "Joe Bidn":
        assert "Joe Biden" in result.document["message"]


def test_gallery_check(cli: Cli, gallery: Path) -> None:
    result = cli("--json", "--gallery", gallery, "gallery", "check")
    assert (result.code, result.document["problems"]) == (0, [])
    assert cli("--gallery", gallery, "gallery", "check").out.startswith("no problems")
    with contextlib.closing(sqlite3.connect(gallery / "gallery.db")) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("DELETE FROM templates WHERE rowid = (SELECT min(rowid) FROM templates)")
        database.commit()
    result = cli("--json", "--gallery", gallery, "gallery", "check")
    assert result.code == 1
    assert [problem["kind"] for problem in result.document["problems"]] == ["sample_without_template"]
    assert cli("--gallery", gallery, "gallery", "check").code == 1


def test_a_gallery_of_another_version_or_kind_is_a_named_error(cli: Cli, tmp_path: Path, models_home: Path) -> None:
    folder = tmp_path / "gallery"
    folder.mkdir()
    (folder / "gallery.db").write_bytes(b"this is no database" * 1000)
    result = cli("--json", "--gallery", folder, "gallery", "list")
    assert (result.code, result.document["error"]) == (3, "gallery_damaged")
    file = tmp_path / "file"
    file.touch()
    result = cli("--json", "--gallery", file, "gallery", "list")
    assert result.code == 3
    assert set(result.document) == {"error", "message"}


# --- a gallery that may not be written -------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
def test_a_read_only_gallery_answers_and_refuses_enrolment(gallery: Path, obama: list[Path], models_home: Path) -> None:
    before = {file.name: file.read_bytes() for file in gallery.iterdir()}
    for file in gallery.iterdir():
        file.chmod(0o400)
    gallery.chmod(0o500)

    def run(*arguments: object) -> tuple[int, Any]:
        command = [sys.executable, "-m", "app.cli", "--json", "--gallery", str(gallery), *map(str, arguments)]
        done = subprocess.run(command, preexec_fn=weak, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout)

    try:
        code, document = run("identify", obama[0])
        assert (code, [face["subject"] for face in document["faces"]]) == (0, ["Barack Obama"])
        assert run("verify", *obama)[0] == 0
        code, document = run("gallery", "list")
        people = [row["subject"] for row in document["subjects"]]
        assert (code, len(people)) == (0, 4)
        for command in (["show", people[0]], ["export", people[0]], ["stats"], ["check"]):
            assert run("gallery", *command)[0] == 0
        code, document = run("enrol", "Somebody", obama[0])
        assert (code, document["error"]) == (3, "gallery_error")
        assert "read-only" in document["message"]
        assert "\n" not in document["message"]
    finally:
        gallery.chmod(0o700)
    assert {file.name: file.read_bytes() for file in gallery.iterdir()} == before


@pytest.fixture
def people(isolated_home: Path, tmp_path: Path) -> Path:
    """A gallery of two made-up people; no model is needed."""
    from app.services import Services
    from pipeline.config import Settings
    from pipeline.gallery import NewSample

    services = Services(Settings.load(gallery=str(tmp_path / "people")))
    vector = np.zeros(services.gallery.dimension, np.float32)
    vector[0] = 1.0
    box, landmarks = (0.0, 0.0, 9.0, 9.0), np.zeros((5, 2), np.float32)
    for name in ("Ada", "Bob"):
        services.gallery.enrol(name, [NewSample(f"{name}.jpg", name, box, landmarks, 0.9, (9, 9), vector, 1.0)])
    services.gallery.backup(tmp_path / "backup.db")
    services.close()
    return tmp_path / "people"


def names_in(cli: Cli, gallery: Path) -> list[str]:
    return [row["subject"] for row in cli("--json", "--gallery", gallery, "gallery", "list").document["subjects"]]


def at_a_terminal(answer: str, *arguments: object) -> tuple[int, str]:
    """Exit code and what a person saw, whose stdin, stdout and stderr are one terminal."""
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "app.cli", *map(str, arguments)]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, answer.encode())
    seen = b""
    with contextlib.suppress(OSError):  # EIO: the other side has left
        while part := os.read(ours, 4096):
            seen += part
    os.close(ours)
    return child.wait(), seen.decode()


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX's")
@pytest.mark.parametrize("command", [["remove", "Ada"], ["restore", "backup.db"]], ids=["remove", "restore"])
def test_a_terminal_is_asked_before_something_is_destroyed(
    cli: Cli, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    cli("--gallery", people, "gallery", "rename", "Bob", "Robert")
    after = {"remove": ["Robert"], "restore": ["Ada", "Bob"]}[command[0]]
    for answer in ("\n", "\x04"):  # the default, which is no, and the end of the input
        code, seen = at_a_terminal(answer, "--gallery", people, "gallery", *command)
        assert (code, "[y/N]" in seen) == (1, True)
        assert names_in(cli, people) == ["Ada", "Robert"]
    code, seen = at_a_terminal("y\n", "--gallery", people, "gallery", *command)
    assert (code, "[y/N]" in seen) == (0, True)
    assert names_in(cli, people) == after


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX's")
def test_nobody_is_asked_who_said_yes_or_is_a_program(
    cli: Cli, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    for extra in (["--yes"], ["--json"]):
        code, seen = at_a_terminal("", "--gallery", people, "gallery", "remove", "Ada", *extra)
        assert (code, "[y/N]" in seen) == (0, False)
        assert names_in(cli, people) == ["Bob"]
        assert cli("--gallery", people, "gallery", "restore", tmp_path / "backup.db").code == 0  # no terminal here
        assert names_in(cli, people) == ["Ada", "Bob"]
    assert cli("--gallery", people, "gallery", "remove", "Ada").code == 0
    assert names_in(cli, people) == ["Bob"]
    missing = at_a_terminal("", "--gallery", people, "gallery", "remove", "Eve")
    assert missing[0] == 3  # before anything is asked
