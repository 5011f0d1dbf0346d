"""What a change of the model has still to do: samples, and subjects, without a template of a model; and doing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.gallery import bound
from pipeline.gallery.schema import samples, subjects, templates
from pipeline.gallery.store import bump, chunks
from pipeline.gallery.vault.kept import kept, opened, sealer_of, vector_identity
from pipeline.gallery.vault.sealer import CROP, VECTOR
from pipeline.types import F32

Made = tuple[int, float, F32]
"""A template: row of its sample, norm before it was normalised, unit vector (D,) float32."""

_CROP_HEAD = 24  # bytes of a PNG up to its width and height


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A sample without a template of the new model.

    Attributes:
        key: Its row.
        id: Its identity.
        subject: Whose it is.
        source: Where the photo came from.
        photo_sha256: SHA-256 of the photo's bytes.
        box: x0, y0, x1, y1 in pixels of the photo.
        landmarks: (5, 2) float32, pixels of the photo.
        confidence: The detector's.
        image_hw: Height and width of the photo.
        crop: PNG of the aligned face, or its first bytes where that was asked for; None where none is kept.
    """

    key: int
    id: str
    subject: str
    source: str
    photo_sha256: str
    box: tuple[float, float, float, float]
    landmarks: F32
    confidence: float
    image_hw: tuple[int, int]
    crop: bytes | None


def subject_lacks(model_id: str) -> sa.ColumnElement[bool]:
    """Of a subject: no sample of it has a template of the model."""
    mine = (
        sa.select(templates.c.id)
        .join(samples, samples.c.id == templates.c.sample_id)
        .where((samples.c.subject_id == subjects.c.id) & (templates.c.model_id == model_id))
        .correlate(subjects)
    )
    return ~mine.exists()


def lacks(model_id: str) -> sa.ColumnElement[bool]:
    """Of a sample: it has no template of the model."""
    mine = sa.select(templates.c.id).where((templates.c.sample_id == samples.c.id) & (templates.c.model_id == model_id))
    return ~mine.correlate(samples).exists()


def select(
    connection: Connection, which: sa.ColumnElement[bool], *, limit: int | None = None, heads: bool = False
) -> list[Waiting]:
    """Samples, by ascending row; with the first bytes of their crops only, where heads are enough.

    Raises:
        GalleryDamagedError: In an encrypted gallery somebody has given one of them to another subject.
    """
    heads &= sealer_of(connection.dialect) is None  # of what is sealed there is all or nothing
    crop: sa.ColumnElement[Any] = sa.func.substr(samples.c.crop, 1, _CROP_HEAD) if heads else samples.c.crop
    columns = [column for column in samples.c if column.name != "crop"]
    query = (
        sa.select(*columns, subjects.c.name, crop.label("picture"))
        .join(subjects, subjects.c.id == samples.c.subject_id)
        .where(which)
        .order_by(samples.c.id)
        .limit(limit)
    )
    found = [_waiting(connection, row) for row in connection.execute(query)]
    for chunk in chunks(one.key for one in found):
        bound.require_owners(connection, samples.c.id.in_(chunk))
    return found


def insert(connection: Connection, model_id: str, rows: Sequence[Made]) -> int:
    """Adds templates of samples that are there and have none of the model; returns how many."""
    generation = bump(connection)
    free: dict[int, int] = {}
    for chunk in chunks(key for key, _, _ in rows):
        query = sa.select(samples.c.id, samples.c.subject_id).where(samples.c.id.in_(chunk) & lacks(model_id))
        free.update((key, owner) for key, owner in connection.execute(query))
    new = [
        {
            "sample_id": key,
            "model_id": model_id,
            "norm": float(norm),
            "vector": kept(
                connection,
                np.ascontiguousarray(vector, "<f4").tobytes(),
                VECTOR,
                vector_identity(key, model_id, free[key]),
            ),
        }
        for key, norm, vector in rows
        if key in free
    ]
    if new:
        connection.execute(sa.insert(templates), new)
    for chunk in chunks(free):
        connection.execute(sa.update(samples).where(samples.c.id.in_(chunk)).values(changed=generation))
    return len(new)


def _waiting(connection: Connection, row: Any) -> Waiting:
    return Waiting(
        key=int(row.id),
        id=row.uid,
        subject=row.name,
        source=row.source,
        photo_sha256=row.photo_sha256,
        box=(row.box_x0, row.box_y0, row.box_x1, row.box_y1),
        landmarks=np.frombuffer(row.landmarks, "<f4").astype(np.float32).reshape(-1, 2),
        confidence=float(row.confidence),
        image_hw=(int(row.image_h), int(row.image_w)),
        crop=None if row.picture is None else opened(connection, bytes(row.picture), CROP, row.uid),
    )
