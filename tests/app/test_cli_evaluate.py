"""`knownface evaluate ...` as a contract, with a pipeline of coloured bars: documents, files, exit codes."""

from __future__ import annotations

import csv
import json
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import app.evaluation.cache
import app.services
import pipeline.build
from app.cli.main import main
from tests.fakes import BLUE, DIMENSION, GREEN, MODEL_ID, RED, WHITE, YELLOW, fake_recognizer, write_bars

Run = Callable[..., tuple[int, Any, str]]
COLOURS = {"Ada": RED, "Bob": GREEN, "Cy": BLUE, "Dee": YELLOW, "Eve": WHITE, "Flo": (120, 30, 90)}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command with --json; exit code, document and stderr."""
    monkeypatch.setattr(app.services, "build_recognizer", lambda *_, **__: fake_recognizer())
    monkeypatch.setattr(app.evaluation.cache, "recipe_of", lambda services, aligned: f"fake {aligned}")

    def call(*arguments: object) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = main([*(str(argument) for argument in arguments), "--json"])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, json.loads(out), err

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos each of six people; nothing is found in one of Flo's."""
    folder = tmp_path / "photos"
    for number, (name, colour) in enumerate(COLOURS.items()):
        for i in range(3):
            faces = () if (name, i) == ("Flo", 2) else (colour,)
            write_bars(folder / name / f"{name}_{i + 1:04d}.jpg", *faces, note=4 * number + i + 1)
    return folder


def test_pairs(run: Run, photos: Path, tmp_path: Path) -> None:
    lines = (
        [f"{name} 1 2" for name in COLOURS]
        + ["Flo 2 3"]
        + [f"{a} 1 {b} 2" for a in ["Ada", "Bob", "Cy"] for b in ("Dee", "Eve")]
    )
    file, scores, out = tmp_path / "pairs.txt", tmp_path / "scores.csv", tmp_path / "out"
    file.write_text("\n".join(lines))
    command = ("evaluate", "pairs", "--photos", photos, "--pairs", file)
    code, document, err = run(*command, "--scores", scores, "--out", out)
    assert code == 0
    assert {"pairs", "mated", "non_mated", "fta", "accuracy", "eer", "tar_at_fmr", "model_id"} <= set(document)
    assert (document["pairs"], document["mated"], document["non_mated"], document["fta"]) == (13, 7, 6, 1)
    assert set(document["accuracy"]) >= {"mean", "std"}
    assert document["eer"] == pytest.approx((1 / 7 + 1 / 6) / 2), "the pair that failed is missed at every threshold"
    with scores.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["a", "b", "mated", "score", "failure"]
    assert rows[7] == ["Flo/Flo_0002.jpg", "Flo/Flo_0003.jpg", "1", "", "no_face"]
    assert {path.name for path in out.iterdir()} == {"report.json", "report.md", "report.html", "comparisons.csv"}
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report | document == report, "the report says what the command said"
    assert report["command"].startswith("knownface evaluate pairs --photos")
    assert "report.html" in err
    assert run("evaluate", "cache")[1]["templates"] == 13
    assert run(*command, "--no-cache")[1] == document
    assert run(*command)[1] == document, "from the cache"
    assert run("evaluate", "cache", "--clear")[1]["templates"] == 0


def test_groups(run: Run, photos: Path, tmp_path: Path) -> None:
    groups = tmp_path / "groups.csv"
    groups.write_text("subject,team\nAda,one\nBob,one\nCy,one\nDee,two\nEve,two\nFlo,two\n")
    code, document, _ = run("evaluate", "folder", photos, "--groups", groups, "--folds", 2)
    assert code == 0
    table = {row["value"]: row for row in document["groups"]["team"]}
    assert set(table) <= {"one", "two", "mixed"}
    assert sum(row["mated"] for row in table.values()) == document["mated"]
    assert sum(row["non_mated"] for row in table.values()) == document["non_mated"]
    assert table["two"]["fta"] > 0
    assert table["one"]["fnmr"] == 0 < table["two"]["fnmr"]


def test_identify(run: Run, photos: Path, tmp_path: Path) -> None:
    probes = tmp_path / "probes"
    for name in ("Ada", "Bob"):
        write_bars(probes / name / "1.png", COLOURS[name], note=77)
    for number in range(10):
        write_bars(probes / f"stranger {number}" / "1.png", (7 + number, 100, 3 * number))
    code, document, _ = run("evaluate", "identify", "--gallery", photos, "--probes", probes, "--out", tmp_path / "out")
    assert code == 0
    assert (document["subjects"], document["probes"], document["mated"], document["non_mated"]) == (6, 12, 2, 10)
    assert document["rank_1"] == 1
    assert [row["fpir"] for row in document["fnir_at_fpir"]] == [0.1]
    assert document["probes_enrolled"] == 0
    assert "--gallery" in json.loads((tmp_path / "out/report.json").read_text())["command"]
    code, document, err = run("evaluate", "identify", "--gallery", photos, "--probes", photos)
    assert (code, document["probes_enrolled"], document["non_mated"]) == (0, document["probes"], 0)
    assert "are the very photos enrolled" in err
    assert "no FPIR is given" in err
    code, document, _ = run("evaluate", "identify", "--folder", photos, "--search", "fused", "--enrol", 2)
    assert (code, document["error"]) == (3, "config_invalid"), "everybody would be enrolled"
    (photos / "Gil").mkdir()
    write_bars(photos / "Gil/1.png", (99, 9, 9))
    code, document, _ = run("evaluate", "identify", "--folder", photos, "--search", "fused", "--enrol", 2)
    assert (code, document["search"], document["mated"], document["non_mated"]) == (0, "fused", 6, 1)
    assert run("evaluate", "identify", "--probes", probes)[0] == 2


def test_no_file_holds_a_password(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url, out = "postgresql://u:secret-1@127.0.0.1:1/x", tmp_path / "out"
    monkeypatch.setenv("KNOWNFACE_INDEX_URL", "http://u:secret-2@h:19530")
    (photos / "Gil").mkdir()
    write_bars(photos / "Gil/1.png", (99, 9, 9))
    assert run("evaluate", "identify", "--folder", photos, "--gallery", url, "--search", "best", "--out", out)[0] == 0
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    assert b"knownface evaluate identify" in written["report.json"]
    assert [name for name, content in written.items() if b"secret" in content] == []
    capsys.readouterr()
    assert main(["evaluate", "identify", "--gallery", url, "--probes", str(photos)]) == 2
    text = "".join(capsys.readouterr())
    assert "secret" not in text
    assert "--gallery DIR" in " ".join(text.replace("│", " ").split())


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_scores_are_private(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "Gil").mkdir()
    write_bars(photos / "Gil/1.png", (99, 9, 9))
    pairs, searches = tmp_path / "pairs.csv", tmp_path / "searches.csv"
    assert run("evaluate", "folder", photos, "--folds", 2, "--scores", pairs)[0] == 0
    assert run("evaluate", "identify", "--folder", photos, "--scores", searches)[0] == 0
    assert [stat.S_IMODE(file.stat().st_mode) for file in (pairs, searches)] == [0o600, 0o600]
    assert "Ada" in pairs.read_text()
    assert "Ada" in searches.read_text()


def crop(colour: tuple[int, int, int]) -> bytes:
    done, data = cv2.imencode(".png", np.full((112, 112, 3), colour[::-1], np.uint8))
    assert done
    return bytes(data)


def test_bin(run: Run, tmp_path: Path) -> None:
    mated = [True, False] * 4
    photos = [crop(c) for m in mated for c in ((RED, RED) if m else (RED, GREEN))]
    photos[4] = b"no photo"
    file = tmp_path / "set.bin"
    file.write_bytes(pickle.dumps((photos, mated)))
    code, document, _ = run("evaluate", "bin", file)
    assert code == 0
    assert (document["pairs"], document["mated"], document["fta"]) == (8, 4, 1)
    assert document["failures"] == {"photo_format": 1}
    file.write_bytes(pickle.dumps(print))
    code, document, _ = run("evaluate", "bin", file)
    assert (code, document["error"]) == (3, "config_invalid")
    assert "nothing in it was run" in document["message"]


def test_aligned_photos_must_be_crops(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "Ada/Ada_0001.jpg").write_bytes(crop(RED))
    (photos / "Ada/Ada_0002.jpg").write_bytes(crop(RED))
    file = tmp_path / "pairs.txt"
    file.write_text("Ada 1 2\nAda 1 3\nAda 1 Bob 1\n")
    code, document, _ = run("evaluate", "pairs", "--photos", photos, "--pairs", file, "--aligned")
    assert code == 0
    assert (document["fta"], document["failures"]) == (2, {"photo_format": 2})


def test_templates(run: Run, photos: Path, tmp_path: Path) -> None:
    names = [f"{n}/{n}_{i:04d}.jpg" for n in COLOURS for i in (1, 2, 3)]
    media, pairs = tmp_path / "media.txt", tmp_path / "pairs.txt"
    media.write_text("".join(f"{name} {10 * (i // 3) + i % 3 % 2} {i}\n" for i, name in enumerate(names)))
    pairs.write_text("".join(f"{10 * i} {10 * i + 1} 1\n{10 * i} {10 * ((i + 1) % 6)} 0\n" for i in range(6)))
    command = ("evaluate", "templates", "--photos", photos, "--media", media, "--pairs", pairs)
    code, document, _ = run(*command, "--out", tmp_path / "out")
    assert code == 0
    assert (document["templates"], document["photos"], document["fte"], document["fta_photos"]) == (12, 18, 0, 1)
    assert document["eer"] == 0


@pytest.mark.parametrize(
    ("text", "where"),
    [("a,b,mated\n../../etc/passwd,x,1\n", "line 2"), ("Ada 1 2\n/etc 1 2\n", "line 2"), ("\ufffe\x00", "pairs.txt")],
)
def test_hostile_lists_are_named_errors(run: Run, photos: Path, tmp_path: Path, text: str, where: str) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text(text, encoding="utf-8")
    code, document, err = run("evaluate", "pairs", "--photos", photos, "--pairs", file)
    assert (code, document["error"]) == (3, "config_invalid")
    assert where in document["message"]
    assert document["message"] in err


def test_for_people(run: Run, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "folder", str(photos), "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert "EER" in out
    assert "Error rates" in out
    assert err == ""


def test_erasing_a_subject_erases_what_is_kept_of_its_photos(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(app.services, "embedder_identity", lambda _: (MODEL_ID, DIMENSION))
    monkeypatch.setattr(pipeline.build, "embedder_identity", lambda _: (MODEL_ID, DIMENSION))
    monkeypatch.setattr(app.services, "operating_points", lambda _: ())
    gallery = tmp_path / "gallery"
    assert run("evaluate", "folder", photos)[0] == 0
    kept = run("evaluate", "cache")[1]["templates"]
    assert run("enrol", "Ada", *sorted((photos / "Ada").iterdir()), "--gallery", gallery)[0] == 0
    assert run("gallery", "remove", "Ada", "--gallery", gallery)[1]["samples"] == 3
    assert run("evaluate", "cache")[1]["templates"] == kept - 3
