"""The people who were left behind by a change of the model, searched by the old one until they are enrolled again.

They are those subjects who have templates of the old model and none of the new: nobody is searched by both. There are
few of them, so they are read anew whenever the gallery has changed.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import sqlalchemy as sa

from pipeline.errors import ModelMismatchError
from pipeline.gallery.faiss_index import FaissIndex
from pipeline.gallery.in_use import Model
from pipeline.gallery.rows import TruthRows
from pipeline.gallery.schema import samples, subjects, templates
from pipeline.gallery.segments import Segment
from pipeline.gallery.store import Meta, read_meta
from pipeline.gallery.subject_index import fused_index
from pipeline.gallery.truth import Truth
from pipeline.types import Candidates, SubjectScore, Templates


class _Rows(TruthRows):
    """Templates of one model whose subject has none of another."""

    def __init__(self, model: Model, without: str) -> None:
        super().__init__(model.model_id, model.dimension)
        self._without = without

    @property
    def _query(self) -> sa.Select[Any]:
        own, of_own = samples.alias(), templates.alias()
        has = sa.select(of_own.c.id).join(own, own.c.id == of_own.c.sample_id)
        has = has.where((own.c.subject_id == samples.c.subject_id) & (of_own.c.model_id == self._without))
        return super()._query.where(~has.correlate(samples).exists())


class LeftBehind:
    """A search among those who were left behind.

    Args:
        truth: The gallery's database.
        model: The old model.
        without: The model they have no template of.
        subject_score: As in `GalleryReader`.
    """

    def __init__(self, truth: Truth, model: Model, without: str, subject_score: SubjectScore) -> None:
        self.model = model
        self._truth, self._rows, self._score = truth, _Rows(model, without), subject_score
        self._lock = threading.Lock()
        self._at: Meta | None = None
        self._held: tuple[FaissIndex, dict[int, str]] = (FaissIndex(model.dimension), {})

    def search(self, probes: Templates, k: int) -> list[Candidates]:
        """The k of them most like each probe.

        Args:
            probes: (N, D) templates of the old model.
            k: How many different subjects.

        Raises:
            ModelMismatchError: The probes come from another model.
        """
        if probes.model_id != self.model.model_id:
            raise ModelMismatchError(f"{probes.model_id} is not the model of those left behind, {self.model.model_id}")
        index, names = self._loaded()
        found = index.search_labels(probes.vectors, k)
        return [Candidates(tuple(names[key] for key in labels.tolist()), scores) for scores, labels in found]

    def _loaded(self) -> tuple[FaissIndex, dict[int, str]]:
        with self._lock, self._truth.reading() as connection:
            now = read_meta(connection)
            if now != self._at:
                parts = list(self._rows.all(connection))
                none = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, self.model.dimension), np.float32))
                ids, labels, vectors = (np.concatenate(column) for column in zip(none, *parts, strict=True))
                index = FaissIndex(self.model.dimension, Segment.of(vectors, ids, labels))
                if self._score == "fused":
                    index = fused_index(connection, index, self.model.model_id)
                query = sa.select(subjects.c.id, subjects.c.name).where(subjects.c.id.in_(set(labels.tolist())))
                names = {row.id: row.name for row in connection.execute(query)}
                self._held, self._at = (index, names), now
            return self._held
