"""The index of fused templates, one row per subject. It is derived from the samples' index and lives in memory only."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.gallery.faiss_index import FaissIndex
from pipeline.gallery.fusion import fuse_groups
from pipeline.gallery.index import I64
from pipeline.gallery.schema import samples, templates
from pipeline.gallery.segments import Rows, Segment
from pipeline.gallery.store import chunks
from pipeline.types import F32, F64


def fused_index(connection: Connection, of: FaissIndex, model_id: str) -> FaissIndex:
    """The templates of all subjects of an index of samples, whose labels are subjects; ids and labels are subjects."""
    vectors, ids, labels = _rows(of, None)
    subjects, fused = fuse_groups(vectors, ids, labels, _qualities(connection, ids, model_id, None))
    return FaissIndex(of.dimension, Segment.of(fused, subjects, subjects))


def refuse(connection: Connection, fused: FaissIndex, of: FaissIndex, subjects: I64, model_id: str) -> None:
    """Brings the templates of some subjects up to date, in one step that no search sees half of.

    Args:
        connection: A read transaction at the generation of `of`.
        fused: The index to change.
        of: The index of samples, up to date.
        subjects: (S,) int64, distinct; those that have no sample any more go.
        model_id: The model whose templates are searched.
    """
    vectors, ids, labels = _rows(of, subjects)
    found, new = fuse_groups(vectors, ids, labels, _qualities(connection, ids, model_id, subjects.tolist()))
    fused.apply(new, found, found, subjects)


def subjects_of(index: FaissIndex, ids: I64) -> I64:
    """The labels of those of the ids that are in an index."""
    return np.concatenate([segment.labels[segment.find(ids)] for segment in index.segments])


def _rows(index: FaissIndex, subjects: I64 | None) -> tuple[F32, I64, I64]:
    """Vectors, ids and labels of the live rows of these subjects, or of all; without a copy where that can be."""
    parts = []
    for segment in index.segments:
        rows: slice | Rows = slice(segment.count)
        if subjects is not None:
            rows = np.flatnonzero(segment.live & np.isin(segment.labels[: segment.count], subjects))
        elif len(segment.dead):
            rows = np.flatnonzero(segment.live)
        parts.append((segment.vectors[rows], segment.ids[rows], segment.labels[rows]))
    filled = [part for part in parts if len(part[1])]
    if len(filled) == 1:
        return filled[0]
    vectors, ids, labels = zip(*parts, strict=True)
    return np.concatenate(vectors), np.concatenate(ids), np.concatenate(labels)


def _qualities(connection: Connection, ids: I64, model_id: str, subjects: Iterable[int] | None) -> F64:
    """(N,) quality of the samples whose templates have these ids; NaN where there is none."""
    query = (
        sa.select(templates.c.id, samples.c.quality)
        .join(samples, samples.c.id == templates.c.sample_id)
        .where((templates.c.model_id == model_id) & samples.c.quality.is_not(None))
    )
    parts = [query] if subjects is None else [query.where(samples.c.subject_id.in_(part)) for part in chunks(subjects)]
    known: dict[int, float] = {}
    for part in parts:
        known.update((key, quality) for key, quality in connection.execute(part))
    quality = np.full(len(ids), np.nan)
    if known:
        quality[:] = [known.get(key, np.nan) for key in ids.tolist()]
    return quality
