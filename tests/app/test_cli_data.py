"""`knownface data`: on pictures of coloured bars, and on real crops where they are here."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import app.services
import app.training_sets
import pipeline.build
from app.cli.main import main
from tests import fakes

RED, GREEN, BLUE = fakes.RED, fakes.GREEN, fakes.BLUE


@pytest.fixture(autouse=True)
def _fakes(request, monkeypatch):
    if "models_home" in request.fixturenames:
        return
    monkeypatch.setattr(pipeline.build, "build_cropper", lambda _: (fakes.fake_recognizer(), ("fake@0",)))
    monkeypatch.setattr(app.services, "build_recognizer", lambda *_, **__: fakes.fake_recognizer())
    monkeypatch.setattr(app.training_sets, "operating_points", lambda _: fakes.points())


def run(capsys, *arguments):
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


@pytest.fixture
def photos(tmp_path):
    for name, colour in (("ann/1", RED), ("ann/2", RED), ("bob/1", GREEN), ("bob/2", (0, 0, 0))):
        fakes.write_bars(tmp_path / "photos" / f"{name}.png", colour, note=len(name) + colour[0] // 50)
    return tmp_path / "photos"


def write_crop(file: Path, colour, note: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rgb = np.full((112, 112, 3), colour, np.uint8)
    rgb[0, 0] += np.uint8(note)
    file.write_bytes(bytes(cv2.imencode(".png", rgb[..., ::-1])[1]))


def test_build_reports_failures_and_goes_on(photos, tmp_path, capsys):
    code, out, err = run(capsys, "data", "build", photos, tmp_path / "set", "--shard", 2, "--json")
    document = json.loads(out)
    assert code == 3
    assert (document["photos"], document["samples"], document["identities"]) == (4, 3, 2)
    assert [(row["photo"], row["error"]) for row in document["failed"]] == [("bob/2.png", "no_face")]
    assert (document["shards"], document["resumed"]) == (2, 0)
    assert "shard-000000.tar: " in err
    code, out, _ = run(capsys, "--json-lines", "data", "build", photos, tmp_path / "set", "--shard", 2)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["resumed"] for line in lines] == [True, True]
    assert sum(line["samples"] for line in lines) == 3
    code, out, err = run(capsys, "--quiet", "data", "build", photos, tmp_path / "set", "--shard", 3)
    assert (code, out) == (3, "")
    assert "other options" in err
    code, out, err = run(capsys, "data", "build", tmp_path / "set", tmp_path / "other")
    assert code == 3
    assert "holds no photos in sub-folders" in err


def test_clean_lists_and_removes_only_into_a_new_set(tmp_path, capsys):
    crops = tmp_path / "crops"
    for number in range(3):
        write_crop(crops / "ann" / f"{number}.png", RED, number)
        write_crop(crops / "bob" / f"{number}.png", GREEN, number)
    write_crop(crops / "bob" / "wrong.png", BLUE)
    (crops / "bob" / "x.png").write_bytes(b"no photo")
    write_crop(tmp_path / "eval" / "someone" / "1.png", RED)
    arguments = ("data", "clean", crops, "--against", tmp_path / "eval", "--json", "--out", tmp_path / "report")
    code, out, _ = run(capsys, *arguments)
    document = json.loads(out)
    assert code == 1
    assert document["counts"] == {"duplicate": 4, "conflict": 0, "noise": 1, "overlap": 1}
    found = {row["kind"]: row for row in document["found"]}
    assert (found["noise"]["sample"], found["noise"]["other"]) == ("bob/wrong.png", "")
    assert found["overlap"]["identity"] == "ann"
    assert found["overlap"]["other"].endswith("eval: someone")
    assert [row["error"] for row in document["unreadable"]] == ["training_data"]
    with (tmp_path / "report" / "found.csv").open() as stream:
        assert [row["kind"] for row in csv.DictReader(stream)] == [row["kind"] for row in document["found"]]
    assert cv2.imread(str(tmp_path / "report" / "found.png")).shape[0] > 6 * 112
    assert len(list(crops.rglob("*.png"))) == 8  # nothing was touched

    code, out, _ = run(capsys, "data", "clean", crops, "--remove", tmp_path / "new", "--json")
    assert json.loads(out)["removed"] == 6  # two of each, the wrong one, and the one that is no photo
    code, out, _ = run(capsys, "data", "clean", tmp_path / "new")
    assert (code, out) == (0, "")
    code, out, _ = run(capsys, "data", "stats", tmp_path / "new", "--json")
    assert (json.loads(out)["samples"], json.loads(out)["identities"]) == (2, 2)


def test_stats_say_what_a_set_holds(tmp_path, capsys):
    for number in range(3):
        write_crop(tmp_path / "set" / "ann" / f"{number}.png", (60, 60, 60))
    write_crop(tmp_path / "set" / "bob" / "1.png", (180, 180, 180))
    (tmp_path / "set" / "bob" / "2.png").write_bytes(b"no photo")
    code, out, _ = run(capsys, "data", "stats", tmp_path / "set", "--json", "--out", tmp_path / "report")
    document = json.loads(out)
    assert code == 0
    assert document["samples_per_identity"] == {
        "min": 2,
        "p5": 2.05,
        "median": 2.5,
        "p95": 2.95,
        "max": 3,
        "mean": 2.5,
        "with_one": 0,
    }
    assert (document["brightness"]["min"], document["brightness"]["max"]) == (60, 180)
    assert document["brightness"]["mean"] == 90
    assert len(document["failed"]) == 1
    page = (tmp_path / "report" / "stats.html").read_text()
    assert page.count("<svg") == 4
    assert "<script" not in page
    code, out, _ = run(capsys, "data", "stats", tmp_path / "set", "--photos", 1)
    assert "5 crops of 2 identities" in out
    assert "brightness: median 60" in out


def test_a_set_that_is_none_is_named(tmp_path, capsys):
    (tmp_path / "a.rec").write_bytes(b"\0" * 40)
    code, _, err = run(capsys, "data", "stats", tmp_path / "a.rec")
    assert code == 3
    assert "a.rec: the record at byte 0 does not begin with the magic number" in err


def test_nothing_but_preview_needs_torch(photos, tmp_path):
    code = """
import sys
sys.modules["torch"] = sys.modules["albumentations"] = None
import app.services, app.training_sets, pipeline.build
from app.cli.main import main
from tests import fakes
pipeline.build.build_cropper = lambda _: (fakes.fake_recognizer(), ("fake@0",))
app.services.build_recognizer = lambda *_, **__: fakes.fake_recognizer()
app.training_sets.operating_points = lambda _: fakes.points()
photos, out = sys.argv[1:]
assert main(["data", "build", photos, out]) == 3
assert main(["data", "stats", out]) == 0
assert main(["data", "clean", out]) == 1
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(photos), str(tmp_path / "set")],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
    )
    assert done.returncode == 0, done.stderr


def test_real_photos_are_cropped_and_looked_through(models_home, sample_photos, tmp_path, capsys):
    code, out, _ = run(capsys, "data", "build", sample_photos / "enrol", tmp_path / "set", "--json")
    document = json.loads(out)
    assert (code, document["failed"]) == (0, [])
    assert document["samples"] == document["photos"] > 3
    code, out, _ = run(capsys, "data", "clean", tmp_path / "set", "--against", tmp_path / "set", "--json")
    found = json.loads(out)
    assert found["counts"]["conflict"] == found["counts"]["noise"] == 0
    overlaps = [row for row in found["found"] if row["kind"] == "overlap"]
    assert len(overlaps) == document["identities"]  # with itself: everybody
    assert all(row["other"].endswith(f": {row['identity']}") for row in overlaps)
