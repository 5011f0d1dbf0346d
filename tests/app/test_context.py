"""What is printed: data as data, names as text."""

from __future__ import annotations

import io
import json
import sys

import pytest

from app.cli.context import cell, printable, write_json
from app.cli.main import main


def test_what_cannot_be_printed_is_escaped() -> None:
    assert printable("a\x1b[2Jb\x9b1mc\nd é 名") == "a\\x1b[2Jb\\x9b1mc\nd é 名"
    assert cell("[red]x[/]\ny\x1b").plain == "[red]x[/]\\ny\\x1b"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_json_stays_json_whatever_stdout_can_write(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace"))
    write_json({"subject": "Zoë 名前 🦊"})
    sys.stdout.flush()
    assert json.loads(raw.getvalue().decode(encoding)) == {"subject": "Zoë 名前 🦊"}


def test_an_empty_path_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["identify", ""]) == 2
    assert "empty" in capsys.readouterr().err


def test_an_error_that_cannot_be_written_is_still_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(io.StringIO):
        encoding = "utf-8"

        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["--json", "verify", "no-such-a.jpg", "no-such-b.jpg"]) == 3
    assert "knownface:" in capsys.readouterr().err
