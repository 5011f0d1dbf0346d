"""app.runs.output: the same rows as CSV, JSON Lines and Parquet, whatever is in names and paths."""

from __future__ import annotations

import csv
import json
import os
import stat
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.results import csv_cell
from app.runs.output import FORMATS, Format, write_results
from app.runs.output.rows import COLUMNS, NAMES, readable
from pipeline.errors import ResultsError
from tests.result_rows import MODEL_ID, MadeRun, ambiguous, bad_file, face, no_face, unknown

DOCS = Path(__file__).resolve().parents[3] / "docs"
EVIL = "=cmd|'/c calc'!A0"
RUN = MadeRun(
    [
        face("/p/a.jpg", 1, other_paths=("/p/copy of a.jpg",)),
        face("/p/a.jpg", 2, subject=EVIL, best=(EVIL, 0.7), other_paths=("/p/copy of a.jpg",)),
        unknown("/p/b\udcff\n.jpg", cluster="c1"),
        ambiguous("/p/c.mp4", start_s=1.5, end_s=3.25),
    ],
    [bad_file("/p/=x.jpg", message="'quoted' \x00"), no_face("/p/wall.jpg")],
)


def read_csv(file: Path) -> list[dict[str, str]]:
    """As a program reads it: one leading apostrophe of a text is not part of it."""
    with file.open(encoding="utf-8", newline="") as stream:
        return [{k: v.removeprefix("'") for k, v in row.items()} for row in csv.DictReader(stream)]


def read_jsonl(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").split("\n")[:-1]]


def test_all_three_say_the_same(tmp_path: Path) -> None:
    write_results(RUN, tmp_path, ("csv", "jsonl", "parquet"))
    rows = read_jsonl(tmp_path / "results.jsonl")
    assert [(row["photo"], row["face"], row["decision"]) for row in rows] == [
        ("/p/a.jpg", 1, "match"),
        ("/p/a.jpg", 2, "match"),
        ("/p/copy of a.jpg", 1, "match"),
        ("/p/copy of a.jpg", 2, "match"),
        ("/p/b\\xff\n.jpg", 1, "unknown"),
        ("/p/c.mp4", 1, "ambiguous"),
        ("/p/=x.jpg", None, "photo_damaged"),
        ("/p/wall.jpg", None, "no_face"),
    ]
    assert [row["copy_of"] for row in rows[1:4]] == [None, "/p/a.jpg", "/p/a.jpg"]
    assert rows[4]["path_bytes"] == os.fsencode("/p/b\udcff\n.jpg").hex()
    assert (rows[5]["start_s"], rows[5]["end_s"], rows[5]["runner_up"]) == (1.5, 3.25, "Bo")
    assert rows[6]["reason"] == "'quoted' \\x00"
    assert (rows[0]["x0"], rows[0]["image_height"], rows[0]["model_id"]) == (10.0, 100, MODEL_ID)

    table = pq.read_table(tmp_path / "results.parquet")
    assert table.column_names == list(NAMES)
    assert [str(table.schema.field(name).type) for name in ("face", "score", "subject", "landmarks")] == [
        *("int32", "double", "string", "list<element: list<element: float>>")
    ]
    assert table.to_pylist() == rows

    for row, written in zip(rows, read_csv(tmp_path / "results.csv"), strict=True):
        as_text = {k: "" if v is None else json.dumps(v) if isinstance(v, list) else str(v) for k, v in row.items()}
        assert written == as_text


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    write_results(RUN, tmp_path, ("csv",))
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    assert f"'{EVIL}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


@given(st.text())
def test_one_apostrophe_less_is_the_text(text: str) -> None:
    cell = csv_cell(text)
    assert cell.removeprefix("'") == text
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@given(st.binary())
def test_readable_text_can_be_stored_and_keeps_what_is_text(raw: bytes) -> None:
    name = raw.decode("utf-8", "surrogateescape")
    shown = readable(name)
    shown.encode()
    assert "\0" not in shown
    if not any("\ud800" <= c <= "\udfff" for c in name):
        assert shown.replace("\\x00", "\0") == name.replace("\\x00", "\0")


@pytest.mark.parametrize("assets", [False, True])
def test_written_twice_it_is_the_same_and_the_owners(tmp_path: Path, assets: bool) -> None:
    files = write_results(RUN, tmp_path, assets=assets)
    assert [file.name for file in files] == ["results.csv", "results.jsonl", "results.parquet", "report.html"]
    first = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    inodes = [file.stat().st_ino for file in files]
    write_results(RUN, tmp_path, reversed(FORMATS), assets=assets)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == first
    assert inodes != [file.stat().st_ino for file in files], "replaced, not written into"
    if os.name == "posix":
        assert {stat.S_IMODE(file.stat().st_mode) for file in first} == {0o600}


@pytest.mark.parametrize("kind", FORMATS)
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, kind: Format) -> None:
    (file,) = write_results(RUN, tmp_path, (kind,))
    before = file.read_bytes()

    class Failing(MadeRun):
        def faces(self) -> Any:
            yield from RUN.face_rows[:1]
            raise ResultsError("the disk is gone")

    with pytest.raises(ResultsError, match="gone"):
        write_results(Failing(), tmp_path, (kind,))
    assert [one for one in tmp_path.iterdir() if one.is_file()] == [file]
    assert file.read_bytes() == before


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ResultsError, match="out: no folder"):
        write_results(RUN, tmp_path / "out")


def test_an_empty_run_has_its_columns(tmp_path: Path) -> None:
    write_results(MadeRun(), tmp_path)
    assert (tmp_path / "results.csv").read_text().strip() == ",".join(NAMES)
    assert (tmp_path / "results.jsonl").read_text() == ""
    assert pq.read_table(tmp_path / "results.parquet").num_rows == 0


def test_the_columns_are_documented() -> None:
    page = (DOCS / "batch-results.md").read_text("utf-8")
    for column in COLUMNS:
        assert f"| `{column.name}` | {column.kind} | {column.meaning} |" in page
