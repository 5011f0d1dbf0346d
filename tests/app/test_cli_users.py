"""`knownface users`: passwords come from standard input, never from the command line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from app.access import Role
from app.access.users import Users
from app.cli.main import main

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
