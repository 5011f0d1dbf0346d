"""The command line as a contract: exit codes, JSON documents, and data on stdout alone. Real models, sample photos."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import app.cli.recognise
from app.cli.main import hoisted, main
from pipeline.version import __version__
from tests.commands import Cli, Result, runner
from tests.confined import weak
from tests.fakes import write_bars


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return runner(capsys)


@pytest.fixture(scope="session")
def enrolled(tmp_path_factory: pytest.TempPathFactory, models_home: Path, sample_photos: Path) -> Path:
    """A gallery of the four sample people, not to be changed."""
    folder = tmp_path_factory.mktemp("enrolled") / "gallery"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KNOWNFACE_HOME", str(models_home))
        assert main(["--quiet", "--gallery", str(folder), "enrol", "--folder", str(sample_photos / "enrol")]) == 0
    return folder


@pytest.fixture
def gallery(enrolled: Path, tmp_path: Path, models_home: Path) -> Path:
    """A copy of it, to change."""
    return Path(shutil.copytree(enrolled, tmp_path / "gallery"))


@pytest.fixture
def obama(sample_photos: Path) -> list[Path]:
    return sorted(sample_photos.glob("photos/barack-obama-20*"))


# --- verify ----------------------------------------------------------------------------------------------------------


def test_verify_of_one_person_exits_0(cli: Cli, obama: list[Path]) -> None:
    result = cli("--json", "verify", *obama)
    assert result.code == 0
    document = result.document
    assert list(document)[:5] == ["decision", "score", "threshold", "model_id", "reason"]
    beside = {"probability", "log_likelihood_ratio", "operating_point", "runtime"}
    assert set(document) - set(list(document)[:5]) == beside
    assert document["runtime"] == dict.fromkeys(("detector", "refiner", "embedder"), "onnxruntime/cpu fp32")
    assert document["operating_point"] == "the model card, lfw-dev"
    assert document["probability"] > 0.9
    assert document["decision"] == "match"
    assert document["score"] >= document["threshold"]
    assert document["model_id"].startswith("sface.2021dec@")
    assert f"{document['score']:.3f}" in document["reason"]


def test_verify_of_two_people_exits_1(cli: Cli, obama: list[Path], sample_photos: Path) -> None:
    result = cli("verify", obama[0], sample_photos / "photos/rishi-sunak.jpg", "--json")
    assert result.code == 1
    assert result.document["decision"] == "non_match"
    assert result.document["score"] < result.document["threshold"]


def test_verify_for_people(cli: Cli, obama: list[Path]) -> None:
    result = cli("verify", *obama)
    assert result.code == 0
    assert result.out.startswith("match: ")
    assert len(result.out.splitlines()) == 1


@pytest.mark.parametrize("flag", ["--json", "--json-lines"])
@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: path.write_bytes(b"junk"), "photo_format"),
        (lambda path: path.write_bytes(b""), "photo_empty"),
        (lambda path: path.mkdir(), "photo_unreadable"),
        (lambda path: None, "photo_not_found"),
        (write_bars, "no_face"),
    ],
    ids=["junk", "empty", "folder", "missing", "faceless"],
)
def test_verify_of_no_photo_exits_3(
    cli: Cli, obama: list[Path], tmp_path: Path, make: Callable[[Path], object], code: str, flag: str
) -> None:
    bad = tmp_path / "bad.jpg"
    make(bad)
    for pair in ((obama[0], bad), (bad, obama[0])):
        result = cli(flag, "verify", *pair)
        assert result.code == 3
        assert set(result.document) == {"error", "message"}
        assert result.document["error"] == code
        assert str(bad) in result.document["message"]
        assert "\n" not in result.document["message"]


def test_an_error_for_people_is_one_line_on_stderr(cli: Cli, tmp_path: Path, models_home: Path) -> None:
    result = cli("verify", tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("knownface: ")
    assert len(result.err.splitlines()) == 1


def test_a_face_that_is_not_there(cli: Cli, obama: list[Path]) -> None:
    result = cli("--json", "verify", *obama, "--face-b", 2)
    assert (result.code, result.document["error"]) == (3, "several_faces")


def test_without_models_every_command_says_which_one_to_run(
    cli: Cli, obama: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KNOWNFACE_HOME", str(tmp_path / "new"))
    for command in (("verify", *obama), ("identify", obama[0]), ("enrol", "Ada", obama[0])):
        result = cli("--json", *command)
        assert (result.code, result.document["error"]) == (3, "model_missing")
        assert result.document["message"].endswith("run `knownface models pull`")
    assert cli("--json", "gallery", "list").document == {"subjects": []}, "listing and erasing take no model"


def test_verify_gives_the_score_that_evaluation_measures(cli: Cli, sample_photos: Path) -> None:
    """verify starts in ONNX Runtime and identify runs in the faster one: same faces, same score."""
    from app.evaluation import embed_photos
    from app.services import Services
    from pipeline.config import Settings

    names = ["barack-obama-2009.jpg", "barack-obama-2010.jpg"]
    vectors = embed_photos(Services(Settings.load()), sample_photos / "photos", names)
    score = float(np.dot(*(vectors[name] for name in names)))
    paths = [sample_photos / "photos" / name for name in names]
    assert cli("--json", "verify", *paths).document["score"] == pytest.approx(score, abs=1e-4)
    assert cli("--json", "verify", *paths, "--face-a", 1).document["score"] == pytest.approx(score, abs=1e-4)


# --- identify --------------------------------------------------------------------------------------------------------


def test_identify_a_folder(cli: Cli, enrolled: Path, sample_photos: Path) -> None:
    result = cli("identify", sample_photos / "photos", "--json", "--gallery", enrolled)
    assert result.code == 0
    document = result.document
    assert set(document) == {"faces", "errors", "runtime"}
    assert set(document["runtime"]) == {"detector", "refiner", "embedder"}
    assert all(used.endswith("/cpu fp32") for used in document["runtime"].values())
    assert document["errors"] == []
    for face in document["faces"]:
        assert {"photo", "box", "subject", "decision", "score", "runner_up", "reason"} <= set(face)
        x0, y0, x1, y1 = face["box"]
        assert x1 - x0 > 20
        assert y1 - y0 > 20
        assert set(face["runner_up"]) == {"subject", "score"}
    named = {Path(face["photo"]).name: (face["subject"], face["decision"]) for face in document["faces"]}
    assert named == {
        "barack-obama-2009.jpg": ("Barack Obama", "match"),
        "barack-obama-2010.jpg": ("Barack Obama", "match"),
        "barack-obama-senate.jpg": ("Barack Obama", "match"),
        "eileen-collins.png": (None, "unknown"),
        "emmanuel-macron-2014.jpg": ("Emmanuel Macron", "match"),
        "jacinda-ardern-2018.jpg": ("Jacinda Ardern", "match"),
        "rishi-sunak.jpg": (None, "unknown"),
    }
    photos = [face["photo"] for face in document["faces"]]
    assert photos == sorted(photos)


def test_identify_by_lines(cli: Cli, enrolled: Path, obama: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"junk")
    blank = write_bars(tmp_path / "blank.png")
    result = cli("--json-lines", "--gallery", enrolled, "identify", obama[0], bad, blank, obama[1])
    assert result.code == 3
    lines = result.lines
    assert [line["photo"] for line in lines] == [str(p) for p in (obama[0], bad, blank, obama[1])]
    assert [line.get("error") for line in lines] == [None, "photo_format", "no_face", None]
    assert [line.get("subject") for line in lines] == ["Barack Obama", None, None, "Barack Obama"]


def test_a_photo_that_fails_is_a_row_and_exits_3_only_then(
    cli: Cli, enrolled: Path, obama: list[Path], tmp_path: Path
) -> None:
    blank = write_bars(tmp_path / "blank.png")
    result = cli("--json", "--gallery", enrolled, "identify", blank, obama[0])
    assert result.code == 0, "a photo without a face is an answer"
    (row,) = result.document["errors"]
    assert set(row) == {"photo", "error", "message"}
    assert (row["photo"], row["error"]) == (str(blank), "no_face")
    assert len(result.document["faces"]) == 1
    result = cli("--json", "--gallery", enrolled, "identify", tmp_path / "none.jpg", obama[0])
    assert result.code == 3
    assert len(result.document["faces"]) == 1
    assert result.document["errors"][0]["error"] == "photo_not_found"


def test_identify_for_people(cli: Cli, enrolled: Path, sample_photos: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"junk")
    result = cli("--gallery", enrolled, "identify", sample_photos / "photos", bad)
    assert len(result.out.splitlines()) == 1 + 7 + 1, "a heading, and a line each"
    assert "Barack Obama" in result.out
    (unknown,) = [line.split() for line in result.out.splitlines() if "rishi-sunak" in line]
    assert unknown[2] == "(unknown)"
    assert " ".join(unknown[3:5]) in PEOPLE, "whom the score belongs to"
    assert "photo_format" in result.out
    assert str(bad) in result.err


def test_identify_nothing(cli: Cli, enrolled: Path, tmp_path: Path) -> None:
    document = cli("--json", "--gallery", enrolled, "identify", tmp_path).document
    assert (document["faces"], document["errors"]) == ([], [])


def test_who_only_looks_makes_no_gallery(cli: Cli, obama: list[Path], tmp_path: Path) -> None:
    typo = tmp_path / "a" / "typo"
    listed = cli("--json", "--gallery", typo, "gallery", "list")
    assert (listed.code, listed.document) == (0, {"subjects": []})
    assert cli("--gallery", typo, "gallery", "show", "Ada").code == 3
    named = cli("--json", "--gallery", typo, "identify", obama[0], tmp_path / "none.jpg")
    assert (named.code, len(named.document["faces"])) == (3, 1)
    for result in (listed, named):
        assert f"{typo}: there is no gallery there" in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_backup_makes_no_folder(cli: Cli, enrolled: Path, tmp_path: Path) -> None:
    result = cli("--json", "--gallery", enrolled, "gallery", "backup", tmp_path / "no" / "where" / "x.db")
    assert (result.code, result.document["error"]) == (3, "gallery_error")
    assert "there is no folder" in result.document["message"]
    assert list(tmp_path.iterdir()) == []


def test_identify_in_an_empty_gallery(cli: Cli, obama: list[Path], tmp_path: Path) -> None:
    (face,) = cli("--json", "--gallery", tmp_path / "new", "identify", obama[0]).document["faces"]
    assert (face["decision"], face["subject"], face["score"], face["runner_up"]) == ("unknown", None, None, None)


# --- enrol -----------------------------------------------------------------------------------------------------------


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


# --- gallery ---------------------------------------------------------------------------------------------------------

PEOPLE = ["Barack Obama", "Emmanuel Macron", "Jacinda Ardern", "Joe Biden"]


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


# --- evaluate --------------------------------------------------------------------------------------------------------


def test_evaluate_pairs_on_a_tiny_set(cli: Cli, sample_photos: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for name, files in {
        "Obama": sorted(sample_photos.glob("photos/barack-obama-*")),
        "Ardern": [*sample_photos.glob("*/jacinda*"), *sample_photos.glob("enrol/*/jacinda*")],
        "Sunak": [sample_photos / "photos/rishi-sunak.jpg"],
    }.items():
        for number, file in enumerate(files, 1):
            (photos / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, photos / name / f"{name}_{number:04d}.jpg")
    pairs = tmp_path / "pairs.txt"
    pairs.write_text(
        "Obama\t1\t2\nObama\t1\t3\nObama\t2\t3\nArdern\t1\t2\nSunak\t1\t2\n"
        "Obama\t1\tArdern\t1\nObama\t2\tSunak\t1\nArdern\t2\tSunak\t1\nObama\t3\tArdern\t2\nObama\t3\tSunak\t1\n",
        encoding="utf-8",
    )
    scores = tmp_path / "scores.csv"
    result = cli("--json", "evaluate", "pairs", "--photos", photos, "--pairs", pairs, "--scores", scores)
    assert result.code == 0
    document = result.document
    contract = {"pairs", "mated", "non_mated", "fta", "accuracy", "eer", "tar_at_fmr", "model_id"}
    assert contract <= set(document), "scripts outside the project read these"
    assert set(document) - contract == {"protocol", "subjects", "failures", "eer_interval", "auc", "groups", "runtime"}
    assert (document["pairs"], document["mated"], document["non_mated"], document["fta"]) == (10, 5, 5, 1)
    assert document["accuracy"]["mean"] == pytest.approx(0.9), "all but the pair that lacks a photo"
    assert {"mean", "std"} <= set(document["accuracy"])
    assert (document["subjects"], document["failures"]) == (3, {"photo_not_found": 1})
    assert document["auc"] == pytest.approx(0.8), "the mated pair without a photo counts as the least alike"
    assert document["groups"] == {}, "nobody asked for any"
    assert document["tar_at_fmr"] == []
    lines = scores.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "a,b,mated,score,failure"
    assert lines[5] == "Sunak/Sunak_0001.jpg,Sunak/Sunak_0002.jpg,1,,photo_not_found"
    people = cli("evaluate", "pairs", "--photos", photos, "--pairs", pairs)
    assert people.code == 0
    assert re.search(r"failures to acquire \(FTA\) +1\n.*photo_not_found +1\n", people.out)


def test_evaluate_a_pairs_file_that_is_none(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text("hello\n", encoding="utf-8")
    result = cli("--json", "evaluate", "pairs", "--photos", tmp_path, "--pairs", file)
    assert (result.code, result.document["error"]) == (3, "config_invalid")
    assert cli("evaluate", "pairs", "--photos", tmp_path, "--pairs", tmp_path / "none.txt").code == 2


# --- global ----------------------------------------------------------------------------------------------------------


def test_global_options_stand_before_or_after(cli: Cli, enrolled: Path) -> None:
    first = cli("--gallery", enrolled, "--json", "gallery", "list")
    for arguments in (
        ("gallery", "list", "--json", "--gallery", enrolled),
        ("gallery", "--json", "list", f"--gallery={enrolled}"),
        ("--json", "gallery", "--gallery", enrolled, "list", "--quiet"),
    ):
        assert cli(*arguments) == first


def test_hoisting_stops_at_two_dashes_and_keeps_the_order() -> None:
    assert hoisted(["enrol", "--json", "--", "--json", "a"]) == ["--json", "enrol", "--", "--json", "a"]
    assert hoisted(["x", "--gallery", "--json", "y"]) == ["--gallery", "--json", "x", "y"]
    assert hoisted(["x", "--gallery"]) == ["x", "--gallery"]
    assert hoisted(["x", "--config=a", "--quiet", "b"]) == ["--config=a", "--quiet", "x", "b"]
    assert hoisted([]) == []


def test_the_gallery_comes_from_the_environment_too(cli: Cli, enrolled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWNFACE_GALLERY", str(enrolled))
    assert listed_names(cli("--json", "gallery", "list")) == PEOPLE
    assert listed_names(cli("--json", "gallery", "list", "--gallery", enrolled.parent / "other")) == []


def listed_names(result: Result) -> list[str]:
    return [row["subject"] for row in result.document["subjects"]]


def test_config(cli: Cli, enrolled: Path, tmp_path: Path, models_home: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text(f"gallery = {json.dumps(str(enrolled))}\n", encoding="utf-8")
    assert listed_names(cli("--json", "gallery", "list", "--config", config)) == PEOPLE
    config.write_text("nonsense = 1\n", encoding="utf-8")
    result = cli("--json", "gallery", "list", "--config", config)
    assert (result.code, result.document["error"]) == (3, "config_invalid")
    assert "nonsense" in result.document["message"]


def test_version_and_help(cli: Cli) -> None:
    assert cli("--version") == Result(0, f"knownface {__version__}\n", "")
    for words in (["--help"], ["-h"], ["enrol", "--help"], ["gallery", "--help"], ["gallery", "check", "-h"]):
        result = cli(*words)
        assert result.code == 0
        assert "Usage: knownface" in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("--nonsense",),
        ("verify", "one"),
        ("verify", "a", "b", "c"),
        ("verify", "a", "b", "--face-a", "0"),
        ("verify", "a", "b", "--face-a", "x"),
        ("enrol",),
        ("enrol", "Ada"),
        ("enrol", "Ada", "x.jpg", "--folder", "y"),
        ("identify",),
        ("gallery", "nonsense"),
        ("gallery", "rename", "Ada"),
        ("evaluate", "pairs"),
        ("--gallery",),
    ],
)
def test_wrong_usage_exits_2_and_says_so_on_stderr(cli: Cli, arguments: tuple[str, ...]) -> None:
    result = cli(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "Usage" in result.err or "requires an argument" in result.err


def test_a_missing_sub_command_is_said_without_the_help_text(cli: Cli) -> None:
    result = cli("--json", "runs")
    assert (result.code, result.document["error"]) == (2, "usage")
    assert result.document["message"].endswith("a command is missing after `knownface runs`: see --help")


def test_an_enrol_folder_that_is_not_there_or_has_no_photos(cli: Cli, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        result = cli("--json", "enrol", "--folder", folder)
        assert (result.code, result.document["error"]) == (3, "photo_not_found")


def test_progress_and_notes_stay_off_stdout_and_quiet_silences_them(
    cli: Cli, tmp_path: Path, obama: list[Path]
) -> None:
    for flags in ((), ("--quiet",)):
        gallery = tmp_path / f"g{len(flags and flags[0])}"
        result = cli(*flags, "--gallery", gallery, "enrol", "Barack Obama", *obama)
        assert result.code == 0
        assert len(result.out.splitlines()) == 2
        if flags == ("--quiet",):
            assert result.err == ""


def test_a_read_only_place_is_a_named_error(cli: Cli, obama: list[Path], tmp_path: Path) -> None:
    if os.geteuid() == 0:
        place = Path("/proc/nowhere")
    else:
        place = tmp_path / "locked"
        place.mkdir(mode=0o500)
    result = cli("--json", "--gallery", place / "gallery", "enrol", "Ada", obama[0])
    assert result.code == 3
    assert set(result.document) == {"error", "message"}


def test_an_interrupt_is_not_a_no(cli: Cli, obama: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 means non-match; somebody who pressed Ctrl-C got no answer."""
    from app.services import Services

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Services, "verify", interrupted)
    result = cli("--json", "verify", *obama)
    assert result.code == 130
    assert result.out == ""


def test_help_needs_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys; from app.cli.main import main; main(['--help']); "
        "print([m for m in ('numpy', 'cv2', 'onnxruntime', 'openvino', 'faiss', 'sqlalchemy', 'streamlit', 'torch', "
        "'pydantic', 'rich') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_comparing_two_photos_without_a_gallery_imports_no_database(
    models_home: Path, obama: list[Path], tmp_path: Path
) -> None:
    code = (
        "import sys; from app.cli.main import main; main(sys.argv[1:]); "
        "print([m for m in ('sqlalchemy', 'faiss', 'asyncio', 'app.runs', 'app.unknowns') if m in sys.modules], "
        "file=sys.stderr)"
    )
    arguments = ["--gallery", str(tmp_path / "none"), "verify", *map(str, obama[:2])]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("match")
    assert done.stderr.strip() == "[]"


@pytest.mark.slow
def test_the_demo_runs_twice_with_the_same_result(cli: Cli, sample_photos: Path, tmp_path: Path) -> None:
    where = Path(shutil.copytree(sample_photos, tmp_path / "demo", ignore=shutil.ignore_patterns(".*")))
    shown = cli("demo", "--dir", where)
    assert shown.code == 0
    assert shown.out.count("Barack Obama") >= 3
    assert "knownface --gallery" in shown.out, "and says how to open the web page"
    before = (where / "report.html").read_bytes()
    again = cli("--json", "--quiet", "demo", "--dir", where)
    assert Path(again.document["report"]) == where / "report.html"
    assert [face["subject"] for face in again.document["faces"]].count("Barack Obama") == 3
    assert (where / "report.html").read_bytes() == before
    assert b"Barack Obama" in before


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


# --- asking before something is destroyed ----------------------------------------------------------------------------


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


# --- explain ---------------------------------------------------------------------------------------------------------


def test_explain_where_no_face_is_found(cli: Cli, gallery: Path, sample_photos: Path, tmp_path: Path) -> None:
    blank = write_bars(tmp_path / "blank.png")
    nothing = cli("--gallery", gallery, "--json", "explain", blank, "Barack Obama").document
    assert nothing["faces"] == []
    assert "resembles a face" in nothing["missed"]
    strict = tmp_path / "strict.toml"
    strict.write_text("min_face = 2000.0\n", encoding="utf-8")
    photo = next(sample_photos.glob("photos/rishi-sunak*"))
    small = cli("--config", strict, "--gallery", gallery, "--json", "explain", photo, "Barack Obama").document
    assert "smaller than min_face" in small["missed"]
