"""`enrol` as a contract: rows, lines, and every name there may be. Real models, sample photos."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import app.cli.recognise
from tests.commands import Cli


def test_enrol_and_failed_rows(cli: Cli, tmp_path: Path, obama: list[Path]) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"junk")
    gallery = tmp_path / "gallery"
    result = cli("--json", "--gallery", gallery, "enrol", "Barack Obama", obama[0], bad)
    assert result.code == 3
    document = result.document
    assert set(document) == {"enrolled", "failed"}
    (good,) = document["enrolled"]
    assert {"subject", "photo", "sample_id"} <= set(good)
    assert (good["subject"], good["photo"]) == ("Barack Obama", str(obama[0]))
    assert good["sample_id"]
    (failed,) = document["failed"]
    assert {"photo", "error", "message"} <= set(failed)
    assert (failed["photo"], failed["error"]) == (str(bad), "photo_format")
    listed = cli("gallery", "list", "--json", "--gallery", gallery).document
    assert listed == {"subjects": [{"subject": "Barack Obama", "samples": 1}]}
    (found,) = cli("--json", "--gallery", gallery, "identify", obama[1]).document["faces"]
    assert found["subject"] == "Barack Obama"


def test_enrol_again_changes_nothing(cli: Cli, gallery: Path, sample_photos: Path) -> None:
    before = cli("--json", "--gallery", gallery, "gallery", "list").document
    result = cli("--json", "--gallery", gallery, "enrol", "--folder", sample_photos / "enrol")
    assert result.code == 0
    assert len(result.document["enrolled"]) == 4
    assert cli("--json", "--gallery", gallery, "gallery", "list").document == before


def test_enrol_warns_of_a_photo_of_somebody_else(
    cli: Cli, gallery: Path, sample_photos: Path, obama: list[Path]
) -> None:
    plain = cli("--gallery", gallery, "enrol", "Somebody", obama[1])
    assert plain.code == 0
    (line,) = [one for one in plain.err.splitlines() if one.startswith("warning: ")]
    assert line.startswith(f"warning: {obama[1]}: enrolled as Somebody, but looks like 'Barack Obama', who is enrolled")
    assert plain.out.splitlines() == [f"enrolled: Somebody from {obama[1]}"]
    other = next(one for one in sorted((sample_photos / "photos").iterdir()) if "obama" not in one.name)
    (row,) = cli("--json-lines", "--gallery", gallery, "enrol", "Somebody", other, "--face", "1").lines
    assert "unlike" in [one["kind"] for one in row["warnings"]]
    refused = cli("--json", "--gallery", gallery, "enrol", "Another", obama[1], "--refuse-lookalikes")
    assert (refused.code, refused.document["failed"][0]["error"]) == (3, "looks_like_another")


def test_enrol_by_lines_flushes_each_line_once_it_is_durable(
    cli: Cli, tmp_path: Path, obama: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, seen = tmp_path / "gallery", []
    emit = app.cli.recognise.Context.emit_line

    def watched(self: Any, document: dict[str, Any]) -> None:
        emit(self, document)
        listed = subprocess.run(
            [sys.executable, "-m", "app.cli", "--json", "--gallery", str(gallery), "gallery", "list"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        seen.append(json.loads(listed.stdout)["subjects"][0]["samples"])

    monkeypatch.setattr(app.cli.recognise.Context, "emit_line", watched)
    result = cli("--json-lines", "--gallery", gallery, "enrol", "Barack Obama", *obama)
    assert [line["photo"] for line in result.lines] == [str(photo) for photo in obama]
    assert seen == [1, 2]


@pytest.mark.parametrize("name", ["Ren\u00e9e 名前 🦊", "../../x", "--odd", "[bold]x[/bold] :smile:"])
def test_any_printable_name_goes_in_and_comes_out(cli: Cli, tmp_path: Path, obama: list[Path], name: str) -> None:
    gallery = tmp_path / "gallery"
    enrolled = cli("--json", "--gallery", gallery, "enrol", "--", name, obama[0])
    assert enrolled.code == 0
    assert enrolled.document["enrolled"][0]["subject"] == name
    assert cli("--json", "--gallery", gallery, "gallery", "list").document["subjects"][0]["subject"] == name
    assert name in cli("--gallery", gallery, "gallery", "list").out.replace("\n", "")
    assert name in cli("--gallery", gallery, "gallery", "show", "--", name).out.replace("\n", "")
    (face,) = cli("--json", "--gallery", gallery, "identify", obama[1]).document["faces"]
    assert face["subject"] == name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gallery"]


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "\x1b[31mred", "x" * 201, "\u202eevil"])
def test_a_name_that_cannot_be_is_a_named_error(cli: Cli, tmp_path: Path, obama: list[Path], name: str) -> None:
    result = cli("--json", "--gallery", tmp_path / "gallery", "enrol", name, obama[0])
    assert (result.code, result.document["error"]) == (3, "subject_name")
    assert "\x1b" not in result.err + result.document["message"]


def test_a_hostile_file_name_cannot_move_the_cursor(cli: Cli, tmp_path: Path, enrolled: Path) -> None:
    evil = tmp_path / "a\x1b[2J\nforged line.jpg"
    evil.write_bytes(b"junk")
    enrol = ("--gallery", tmp_path / "g", "enrol", "Ada", evil)
    for arguments in (("verify", evil, evil), ("--gallery", enrolled, "identify", evil), enrol):
        result = cli(*arguments)
        assert result.code == 3
        assert "\x1b" not in result.out + result.err
        assert not any(line.startswith("forged") for line in (result.out + result.err).splitlines())
        document = cli("--json", *arguments).document
        failed = document.get("errors") or document.get("failed") or [document]
        assert failed[0]["error"] == "photo_format"


@pytest.mark.skipif(sys.platform != "linux", reason="only there a name can be any bytes")
def test_a_file_name_that_is_no_text(tmp_path: Path, models_home: Path, isolated_home: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    Path(os.fsdecode(name)).write_bytes(b"junk")
    for flag in (b"--json", b"--json-lines", b"--quiet"):
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", flag, b"identify", name], capture_output=True, check=False
        )
        assert done.returncode == 3, done.stderr
        assert b"Traceback" not in done.stderr
        if flag == b"--json":
            assert json.loads(done.stdout)["errors"][0]["error"] == "photo_format"
