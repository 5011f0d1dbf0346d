"""What an index reads out of the truth: the templates of one model with their owners, all or what has changed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.gallery.index import I64, bad_rows
from pipeline.gallery.schema import LENIENT_VECTOR, removed, samples, templates
from pipeline.gallery.store import chunks
from pipeline.gallery.vault.kept import opened_or_empty, sealer_of, vector_identity
from pipeline.gallery.vault.sealer import VECTOR
from pipeline.types import F32

Row = tuple[int, int, bytes, int]
"""Id of a template, of its subject, its vector as it is kept, id of its sample."""

Columns = tuple[I64, I64, F32]
"""Ids of templates (N,), ids of their subjects (N,), vectors (N, D) float32 unit rows."""

_log = logging.getLogger(__name__)
_BATCH = 8192


class TruthRows:
    """The templates of one model.

    Attributes:
        skipped: Ids of the templates that no index may hold: not finite, not unit, or of another length.
    """

    def __init__(self, model_id: str, dimension: int) -> None:
        self.model_id, self.dimension = model_id, dimension
        self.skipped: set[int] = set()

    @property
    def _query(self) -> sa.Select[Any]:
        return (
            sa.select(templates.c.id, samples.c.subject_id, LENIENT_VECTOR, samples.c.id)
            .join(samples, samples.c.id == templates.c.sample_id)
            .where(templates.c.model_id == self.model_id)
        )

    def count(self, connection: Connection) -> int:
        """How many there are, damaged ones included."""
        mine = sa.select(sa.func.count()).select_from(templates).where(templates.c.model_id == self.model_id)
        return int(connection.execute(mine).scalar_one())

    def all(self, connection: Connection) -> Iterator[Columns]:
        """All of them by ascending id, a few thousand at a time."""
        self.skipped.clear()
        query = self._query.order_by(templates.c.id).execution_options(yield_per=_BATCH)
        with connection.execute(query) as result:  # a server's cursor stays open where the rest is not wanted
            for part in result.partitions():
                yield self._columns(connection, [tuple(row) for row in part])

    def changed(self, connection: Connection, since: int) -> Columns:
        """Those whose sample was added or moved after a generation."""
        rows = connection.execute(self._query.where(samples.c.changed > since))
        return self._columns(connection, [tuple(row) for row in rows])

    def gone(self, connection: Connection, since: int) -> I64:
        """(N,) ids of the templates that were removed after a generation."""
        query = sa.select(removed.c.template_id).where(removed.c.generation > since)
        return np.fromiter(connection.execute(query).scalars(), np.int64)

    def of(self, connection: Connection, ids: Iterable[int]) -> Columns:
        """Those of these ids that there are."""
        rows: list[Row] = []
        for chunk in chunks(ids):
            rows.extend(tuple(row) for row in connection.execute(self._query.where(templates.c.id.in_(chunk))))
        return self._columns(connection, rows)

    def _columns(self, connection: Connection, rows: list[Row]) -> Columns:
        if (sealer := sealer_of(connection.dialect)) is not None:
            rows = [
                (
                    key,
                    label,
                    opened_or_empty(sealer, blob, VECTOR, vector_identity(sample, self.model_id, label)),
                    sample,
                )
                for key, label, blob, sample in rows
            ]
        width = 4 * self.dimension
        fitting = [row for row in rows if len(row[2]) == width]
        ids = np.array([row[0] for row in fitting], np.int64)
        labels = np.array([row[1] for row in fitting], np.int64)
        vectors = np.frombuffer(b"".join([row[2] for row in fitting]), "<f4").astype(np.float32, copy=False)
        vectors = vectors.reshape(len(fitting), self.dimension)
        bad = bad_rows(vectors)
        if len(bad) or len(fitting) < len(rows):
            keep = np.ones(len(fitting), np.bool_)
            keep[bad] = False
            self.skipped |= {row[0] for row in rows} - set(ids[keep].tolist())
            _log.warning("%d damaged templates are left out; `knownface gallery check` names them", len(self.skipped))
            ids, labels, vectors = ids[keep], labels[keep], vectors[keep]
        return ids, labels, vectors
