"""What a change of the model has still to do: samples, and subjects, without a template of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from pipeline.gallery.schema import samples, subjects, templates
from pipeline.types import F32


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


def waiting_of(row: Any) -> Waiting:
    """From a row of `samples` with the subject's `name` and the crop as `picture`."""
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
        crop=None if row.picture is None else bytes(row.picture),
    )
