"""`knownface users`: passwords come from standard input, never from the command line."""

from __future__ import annotations

import io
import json
import sys
from contextlib import closing
from pathlib import Path

import pytest

from app.access import Role
from app.access.users import Users
from app.cli.main import main
from app.services import Services
from pipeline.config import Settings

GOOD = "correct horse battery"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{GOOD}\n"))


@pytest.mark.usefixtures("typed")
def test_a_user_is_added_listed_changed_and_removed(
    isolated_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["users", "list"]) == 0
    assert "asks nobody to log in" in capsys.readouterr().err
    assert main(["users", "add", "Ada", "--role", "operator"]) == 0
    assert "added ada, operator" in capsys.readouterr().out
    assert Users(isolated_home).log_in("ada", GOOD).role is Role.OPERATOR
    capsys.readouterr()
    assert main(["users", "role", "ada", "admin"]) == 0
    capsys.readouterr()
    assert main(["--json", "users", "list"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["users"]
    assert (row["user"], row["role"], row["locked_s"]) == ("ada", "admin", 0)
    monkeypatch.setattr(sys, "stdin", io.StringIO("another long password\n"))
    assert main(["users", "passwd", "ada"]) == 0
    assert Users(isolated_home).log_in("ada", "another long password").name == "ada"
    assert main(["users", "remove", "ada"]) == 0
    assert "that was the last user" in capsys.readouterr().err
    assert not Users(isolated_home).any()


@pytest.mark.usefixtures("isolated_home")
def test_what_cannot_be_done_is_a_named_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["users", "add", "ada", "--role", "king"]) == 2
    assert "viewer, operator or admin" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert main(["--json", "users", "add", "ada"]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == "password_refused"
    assert main(["--json", "users", "passwd", "nobody"]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == "user_not_found"
    assert main(["users", "add", "ada", GOOD]) == 2, "a password is no argument"


@pytest.mark.usefixtures("models_home")
def test_users_and_keys_made_in_a_terminal_stand_in_the_log(
    isolated_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def passwords() -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{GOOD}\n"))

    passwords()
    assert main(["users", "add", "first", "--role", "admin"]) == 0
    assert not (isolated_home / "gallery").exists(), "without a gallery there is no log, and none is made"
    with closing(Services(Settings.load())) as services:
        services.gallery.stats()
    passwords()
    assert main(["users", "add", "Ada"]) == 0
    assert main(["users", "role", "ADA", "operator"]) == 0
    passwords()
    assert main(["users", "passwd", "ada"]) == 0
    assert main(["users", "remove", "Ada"]) == 0
    assert main(["users", "key", "add", "Door", "--role", "viewer"]) == 0
    assert main(["users", "key", "remove", "door"]) == 0
    capsys.readouterr()
    assert main(["--json", "audit", "show"]) == 0
    entries = json.loads(capsys.readouterr().out)["entries"]
    shown = [(entry["action"], entry["target"]) for entry in entries if entry["action"].startswith(("user", "key"))]
    assert sorted(shown) == [
        ("key_add", "key:door"),
        ("key_remove", "key:door"),
        ("user_add", "user:ada"),
        ("user_password", "user:ada"),
        ("user_remove", "user:ada"),
        ("user_role", "user:ada"),
    ]


@pytest.mark.usefixtures("models_home", "typed")
def test_a_log_that_cannot_be_written_is_said_and_the_user_is_there(
    isolated_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = isolated_home.parent / f"{isolated_home.name}.key"
    assert main(["vault", "init", "--key-file", str(key)]) == 0
    capsys.readouterr()
    assert main(["users", "add", "ada"]) == 0
    said = capsys.readouterr()
    assert "added ada" in said.out
    assert "does not stand in the audit log" in said.err
    assert Users(isolated_home).any()
