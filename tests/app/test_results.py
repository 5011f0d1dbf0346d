"""Rows of results as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from app.results import COLUMNS, as_csv, as_json
from app.services import Identification
from pipeline.errors import NoFaceError
from pipeline.recognizer import Faces
from pipeline.types import AlignedFaces, Decision
from tests.fakes import FakeEmbedder, detections_at


def result(photo: str, subject: str, runner_up: tuple[str, float] | None) -> Identification:
    crops = AlignedFaces(np.full((1, 112, 112, 3), 9, np.uint8), np.zeros((1, 2, 3), np.float32))
    faces = Faces(photo, "0" * 64, detections_at([(1, 2, 31.26, 42)]), crops, FakeEmbedder().embed(crops))
    return Identification(photo, faces, (Decision("match", 0.5, 0.4, "because", "m", subject, runner_up),))


def test_json_has_faces_and_errors() -> None:
    document = json.loads(
        as_json([result("a.jpg", "Zoë", ("Bo", 0.25)), Identification("b.jpg", error=NoFaceError("b.jpg: none"))])
    )
    (face,) = document["faces"]
    assert face["subject"] == "Zoë"
    assert face["box"] == [1.0, 2.0, 31.3, 42.0]
    assert face["runner_up"] == {"subject": "Bo", "score": 0.25}
    assert document["errors"] == [{"photo": "b.jpg", "error": "no_face", "message": "b.jpg: none"}]


def test_csv_has_a_row_per_face_and_per_error() -> None:
    text = as_csv([result("a,b.jpg", 'Zoë "Z"', None), Identification("b.jpg", error=NoFaceError("b.jpg: none"))])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["photo"] == "a,b.jpg"
    assert rows[0]["subject"] == 'Zoë "Z"'
    assert (rows[0]["x0"], rows[0]["y1"], rows[0]["runner_up"]) == ("1.0", "42.0", "")
    assert (rows[1]["photo"], rows[1]["decision"], rows[1]["reason"]) == ("b.jpg", "no_face", "b.jpg: none")


def test_csv_holds_nothing_that_a_spreadsheet_would_run() -> None:
    text = as_csv([result("=1+1.jpg", "@SUM(A1)", ("-2", -0.1))])
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["photo"] == "'=1+1.jpg"
    assert row["subject"] == "'@SUM(A1)"
    assert row["runner_up"] == "'-2"
    assert float(row["runner_up_score"]) == -0.1


@pytest.mark.parametrize(
    "start", ["\n=", " =", "\u00a0+", "\ufeff=", "\x00@", "\t", "\r", "\n", *"＝＋－＠", " ＝", "﹣"]
)
def test_csv_sees_formulas_behind_what_spreadsheets_trim_or_read_alike(start: str) -> None:
    (row,) = csv.DictReader(io.StringIO(as_csv([result("a.jpg", f"{start}1+1", None)]), newline=""))
    assert row["subject"] == f"'{start}1+1"


@pytest.mark.parametrize("name", ["Zoë = Bo", " Ann", "Ann-Marie", "田中＝太郎", "", " "])
def test_csv_leaves_other_text_as_it_is(name: str) -> None:
    (row,) = csv.DictReader(io.StringIO(as_csv([result("a.jpg", name, None)])))
    assert row["subject"] == name
