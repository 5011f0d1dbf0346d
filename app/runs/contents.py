"""Writing what a content shows: its faces with their templates and thumbnails, in the tables of a run's ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.runs import schema
from app.runs.row_types import Content, NewFace
from app.sealed import Connection


def put_contents(db: Connection, contents: Sequence[Content]) -> None:
    """Keeps contents with their faces, in place of what is known of them; inside the caller's transaction."""
    seal = db.seal
    db.executemany("delete from faces where sha256 = ?", [(content.sha256,) for content in contents])
    db.executemany(
        "insert into contents values (?, ?, ?, ?, ?, ?) on conflict (sha256) do update set kind = excluded.kind, "
        "error = excluded.error, message = excluded.message, height = excluded.height, width = excluded.width",
        [
            (c.sha256, c.kind, c.error, seal.value(c.message, schema.SAID, c.sha256), *(c.image_hw or (None, None)))
            for c in contents
        ],
    )
    (last,) = db.execute("select coalesce(max(id), 0) from faces").fetchone()
    found = [(one.sha256, number, face) for one in contents for number, face in enumerate(one.faces, 1)]
    faces = [(last + row, *one) for row, one in enumerate(found, 1)]
    db.executemany(
        "insert into faces (id, sha256, number, x0, y0, x1, y1, landmarks, confidence, norm, quality, start_s, "
        "end_s) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(face_id, sha256, number, *_face_values(face)) for face_id, sha256, number, face in faces],
    )
    db.executemany(
        "insert into templates values (?, ?)",
        [
            (face_id, seal.value(np.ascontiguousarray(face.vector, "<f4").tobytes(), schema.VECTOR, face_id))
            for face_id, _, _, face in faces
        ],
    )
    db.executemany(
        "insert into thumbnails values (?, ?)",
        [(face_id, seal.value(face.thumbnail, schema.PICTURE, face_id)) for face_id, _, _, face in faces],
    )


def _face_values(face: NewFace) -> tuple[Any, ...]:
    landmarks = np.array(face.landmarks, "<f4").tobytes()
    return (*face.box, landmarks, face.confidence, face.norm, face.quality, face.start_s, face.end_s)
