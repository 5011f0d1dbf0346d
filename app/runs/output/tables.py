"""A run as CSV, JSON Lines and Parquet: the same rows and columns (docs/batch-results.md).

The bytes depend on the run alone: neither time, machine nor path of the result is in them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.results import csv_cell
from app.runs.output.files import replacing
from app.runs.output.rows import COLUMNS, NAMES, rows
from app.runs.output.source import Results

if TYPE_CHECKING:
    import pyarrow as pa

_ROW_GROUP = 20_000


def write_csv(run: Results, file: Path) -> None:
    """Writes the table as CSV: UTF-8, comma, RFC 4180.

    Text that a spreadsheet would run as a formula, and text that begins with an apostrophe, has one apostrophe put in
    front: a program that reads a text cell takes one leading apostrophe away and has the text as it was.

    Raises:
        ResultsError: The file cannot be written.
    """
    with replacing(file) as stream, io.TextIOWrapper(stream, encoding="utf-8", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(NAMES)
        for row in rows(run):
            writer.writerow([_csv_value(row[name]) for name in NAMES])


def _csv_value(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else csv_cell(value)


def write_jsonl(run: Results, file: Path) -> None:
    """Writes a JSON object per line, in UTF-8; what is absent is null.

    Raises:
        ResultsError: The file cannot be written.
    """
    with replacing(file) as stream:
        for row in rows(run):
            ordered = {name: row[name] for name in NAMES}
            line = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            stream.write(line.encode() + b"\n")


def write_parquet(run: Results, file: Path) -> None:
    """Writes the table as Parquet with typed columns, compressed (zstd), 20,000 rows a group.

    Raises:
        ResultsError: The file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = parquet_schema()
    with replacing(file) as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for part in _parts(rows(run)):
            writer.write_table(pa.Table.from_pylist(part, schema=schema))


def parquet_schema() -> pa.Schema:
    """The columns' types: string, int32, double, and landmarks as list<list<float>>."""
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "integer": pa.int32(),
        "number": pa.float64(),
        "points": pa.list_(pa.list_(pa.float32())),
    }
    return pa.schema([pa.field(column.name, types[column.kind]) for column in COLUMNS])


def _parts(source: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while part := list(islice(source, _ROW_GROUP)):
        yield part
