"""What the workers of a Ray cluster send back, as Arrow tables: contents column by column, no Python objects."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from app.runs.row_types import Content, NewFace

#: A file to look at; its path as bytes, since not every name is text.
FILE = pa.schema([("path", pa.binary()), ("kind", pa.string()), ("sha256", pa.string())])
_FACE = pa.struct(
    [
        ("box", pa.list_(pa.float64())),
        ("landmarks", pa.list_(pa.list_(pa.float64()))),
        ("confidence", pa.float64()),
        ("vector", pa.binary()),
        ("norm", pa.float64()),
        ("thumbnail", pa.binary()),
        ("quality", pa.float64()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
    ]
)
#: What became of it: `refused` and `why` of the file; `content` is the hash of its content, and what follows is its.
RESULT = pa.schema(
    [
        *FILE,
        ("content", pa.string()),
        ("refused", pa.string()),
        ("why", pa.string()),
        ("height", pa.int64()),
        ("width", pa.int64()),
        ("error", pa.string()),
        ("message", pa.string()),
        ("faces", pa.list_(_FACE)),
        ("node", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file to look at, and the hash that its content had when it was looked for."""

    path: str
    kind: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class ResultRow:
    """What became of a file on a node: its hash or content, or why it could not be read.

    Attributes:
        file: The file, with the hash it had when it was looked for.
        node: Which node it was.
        content: What it shows; its hash is the one it had when it was analysed.
        refused, why: Code and words of an error.
    """

    file: FileRow
    node: str
    content: Content | None = None
    refused: str | None = None
    why: str | None = None


def file_tables(files: Sequence[FileRow], size: int) -> list[pa.Table]:
    """The files in tables of so many rows."""
    return [
        pa.Table.from_pylist(
            [
                {"path": os.fsencode(one.path), "kind": one.kind, "sha256": one.sha256}
                for one in files[low : low + size]
            ],
            FILE,
        )
        for low in range(0, len(files), size)
    ]


def files_of(table: pa.Table) -> Iterator[FileRow]:
    """The files of a table."""
    for row in table.to_pylist():
        yield FileRow(os.fsdecode(row["path"]), row["kind"], row["sha256"])


def result_table(results: Sequence[ResultRow]) -> pa.Table:
    """What is sent back."""
    return pa.Table.from_pylist([_result(one) for one in results], RESULT)


def results_of(table: pa.Table) -> Iterator[ResultRow]:
    """What was sent back."""
    for row in table.to_pylist():
        file = FileRow(os.fsdecode(row["path"]), row["kind"], row["sha256"])
        content = None if row["content"] is None else _content(row)
        yield ResultRow(file, row["node"], content, row["refused"], row["why"])


def _file(one: FileRow) -> dict[str, Any]:
    return {"path": os.fsencode(one.path), "kind": one.kind, "sha256": one.sha256}


def _result(one: ResultRow) -> dict[str, Any]:
    row: dict[str, Any] = {
        "path": os.fsencode(one.file.path),
        "kind": one.file.kind,
        "sha256": one.file.sha256,
        "refused": one.refused,
        "why": one.why,
        "node": one.node,
    }
    if one.content is not None:
        height, width = one.content.image_hw or (None, None)
        row |= {"content": one.content.sha256, "height": height, "width": width}
        row |= {"error": one.content.error, "message": one.content.message}
        row["faces"] = [_face(face) for face in one.content.faces]
    return row


def _face(face: NewFace) -> dict[str, Any]:
    return {
        "box": list(face.box),
        "landmarks": [list(point) for point in face.landmarks],
        "confidence": face.confidence,
        "vector": np.ascontiguousarray(face.vector, "<f4").tobytes(),
        "norm": face.norm,
        "thumbnail": face.thumbnail,
        "quality": face.quality,
        "start_s": face.start_s,
        "end_s": face.end_s,
    }


def _content(row: dict[str, Any]) -> Content:
    faces = tuple(
        NewFace(
            box=tuple(face["box"]),
            landmarks=tuple(tuple(point) for point in face["landmarks"]),
            confidence=face["confidence"],
            vector=np.frombuffer(face["vector"], "<f4").astype(np.float32),
            norm=face["norm"],
            thumbnail=face["thumbnail"],
            quality=face["quality"],
            start_s=face["start_s"],
            end_s=face["end_s"],
        )
        for face in row["faces"]
    )
    hw = None if row["height"] is None else (row["height"], row["width"])
    return Content(row["content"], row["kind"], hw, faces, row["error"], row["message"])
