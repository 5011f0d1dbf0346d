"""What is written from a real ledger, what the walk passes over, and the pictures a gallery lends."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from app.runs.output import write_results
from app.runs.output.html import write_html
from app.runs.output.sort import sort_into
from app.runs.walk import Chosen, walk
from app.services import Services
from pipeline.config import Settings
from pipeline.gallery import Gallery
from tests import fakes
from tests.made_runs import decide_by_name, made_run
from tests.result_rows import MadeRun, ambiguous


def test_a_ledger_gives_the_same_bytes_again(tmp_path: Path) -> None:
    photos = {f"/p/{i}.jpg": ["ada", f"stranger{i}"] for i in range(5)} | {"/p/none.jpg": []}
    run = made_run(tmp_path, "one", photos, failed={"/p/bad.jpg": ("photo_damaged", "is damaged")})
    decide_by_name(run, enrolled=["ada"])
    files = write_results(run, tmp_path / "out")
    before = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in write_results(run, tmp_path / "out")] == before
    rows = [json.loads(line) for line in before[1].decode().splitlines()]
    assert [row["decision"] for row in rows] == ["match", "unknown"] * 5 + ["photo_damaged", "no_face"]
    assert rows[0]["photo"] == "/p/0.jpg"
    assert b"/9j/" in before[3], "the thumbnails of the ledger are in the page"


def test_what_was_written_is_not_walked(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    file = fakes.write_bars(photos / "a.png", fakes.RED)
    run = made_run(tmp_path / "home", "one", {str(file): ["ada"]})
    decide_by_name(run, enrolled=["ada"])
    assert sort_into(run, photos / "by person").placed == 1
    write_results(run, photos / "result", ("html",), assets=True)
    assert list((photos / "result").rglob("*.jpg"))
    assert [found.path for found in walk([str(photos)], Chosen())] == [str(file)]
    assert [Path(found.path).name for found in walk([str(photos / "by person")], Chosen())] == ["a.png"], "asked for"


def test_candidates_may_be_lent_by_the_gallery(tmp_path: Path) -> None:
    made = Services(Settings(home=tmp_path / "home", keep_crops=True))
    made._recognizer = fakes.fake_recognizer()
    made._gallery = Gallery.open(tmp_path / "gallery", fakes.MODEL_ID, fakes.DIMENSION)
    made.enrol("Bo", [fakes.write_bars(tmp_path / "bo.png", fakes.BLUE)])
    lent = made.gallery.picture("Bo")
    assert lent is not None
    crop = cv2.imdecode(np.frombuffer(lent, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert crop.shape == (112, 112, 3)
    assert made.gallery.picture("Ann") is None
    write_html(MadeRun([ambiguous("/p/a.jpg")]), tmp_path / "report.html", portraits=made.gallery.picture)
    made.close()
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 1
    assert page.count("data:image/jpeg;base64,") == 1
