"""The index in memory and how it follows the truth: from one generation to a later one without a rebuild."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.gallery import index_choice, snapshot
from pipeline.gallery.codes import Coding, Progress
from pipeline.gallery.faiss_index import FaissIndex
from pipeline.gallery.index import I64
from pipeline.gallery.rows import TruthRows
from pipeline.gallery.schema import subjects
from pipeline.gallery.segments import Segment
from pipeline.gallery.store import Meta, read_meta
from pipeline.gallery.subject_index import fused_index, refuse, subjects_of
from pipeline.gallery.vault.kept import sealer_of
from pipeline.gallery.vault.sealer import Sealer
from pipeline.types import F32, SubjectScore

_log = logging.getLogger(__name__)


class Mirror:
    """The vectors of one model and the subjects' names, as of one generation of the truth.

    Only one thread at a time may call `follow` or `rebuild`; `index` may be searched meanwhile. A name stays the one it
    was until after the index has been published, so a subject that is not in `names` is one that was removed while a
    search was under way: search again. `index`, `names` and the index that answers a search stand in one tuple, which
    `adopt` replaces. The index that answers is that of the samples, or that of the templates fused from them.
    """

    def __init__(
        self, model_id: str, dimension: int, subject_score: SubjectScore = "best", *, compress: bool = True
    ) -> None:
        self.model_id = model_id
        self.compress = compress  # if the gallery has chosen so
        self.subject_score = subject_score
        index = FaissIndex(dimension)
        answers = index if subject_score == "best" else FaissIndex(dimension)
        self.published: tuple[FaissIndex, dict[int, str], FaissIndex] = (index, {}, answers)
        self.at: Meta | None = None
        self._rows = TruthRows(model_id, dimension)
        self.saved = -1  # generation of the index file

    @property
    def skipped(self) -> set[int]:
        """Ids of the damaged templates that were left out."""
        return self._rows.skipped

    @property
    def index(self) -> FaissIndex:
        """The vectors; labels are subject ids."""
        return self.published[0]

    @property
    def names(self) -> dict[int, str]:
        """The subjects' names by id."""
        return self.published[1]

    @property
    def answers(self) -> FaissIndex:
        """What a search is asked of; labels are subject ids."""
        return self.published[2]

    @property
    def fused_count(self) -> int:
        """Fused templates held beside the samples' vectors."""
        return 0 if self.answers is self.index else len(self.answers)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.index.dimension

    def adopt(
        self,
        connection: Connection,
        base: Segment | Iterable[Segment],
        names: dict[int, str],
        at: Meta,
        progress: Progress | None = None,
    ) -> None:
        """Starts from a saved state."""
        coding = self._coding(connection)
        if self.subject_score == "best":
            index = answers = FaissIndex(self.dimension, base, coding, progress=progress)
        else:
            index = FaissIndex(self.dimension, base)
            answers = fused_index(connection, index, self.model_id)
            answers.recode(coding, progress)
        self.published = (index, names, answers)
        self.at = at

    def _coding(self, connection: Connection) -> Coding | None:
        return index_choice.chosen(connection, self.model_id, self.dimension) if self.compress else None

    def start(self, connection: Connection, file: Path) -> bool:
        """Starts from the saved index if it can be used; returns whether there is a file that must go."""
        now = read_meta(connection)
        try:
            saved = snapshot.load(file, self.model_id, self.dimension, now, sealer_of(connection.dialect))
        except FileNotFoundError:
            return False
        except (snapshot.SnapshotError, OSError, ValueError) as error:
            _log.warning("%s cannot be used (%s); the index is read from the database", file, error)
            return True
        self.adopt(connection, saved.segments, saved.names, saved.at)
        self.saved = saved.at.generation
        return now.removal > saved.at.generation  # it holds what has been erased since

    def save(self, file: Path, sealer: Sealer | None) -> None:
        """Saves the index; see `snapshot.save`."""
        if self.at is not None:
            self.index.tidy()
            snapshot.save(file, self.index.segments, self.names, self.at, self.model_id, self.dimension, sealer)
            self.saved = self.at.generation

    def follow(self, connection: Connection, progress: Progress | None = None) -> bool:
        """Brings the mirror to the generation that this read transaction sees; returns whether anything changed."""
        now = read_meta(connection)
        if self.at == now:
            return False
        if self.at is None or not self.at.leads_to(now):
            self.rebuild(connection, progress)
            return True
        since = self.at.generation
        gone = self._rows.gone(connection, since)
        ids, labels, vectors = self._rows.changed(connection, since)
        changed = connection.execute(sa.select(subjects.c.id, subjects.c.name).where(subjects.c.changed > since))
        self.names.update((key, name) for key, name in changed)
        touched = subjects_of(self.index, np.concatenate([gone, ids])) if self.answers is not self.index else gone
        self.index.apply(vectors, ids, labels, gone, move=True)
        if self.answers is not self.index:
            refuse(connection, self.answers, self.index, np.union1d(touched, labels), self.model_id)
        if now.removal > since:
            self._forget_names(connection)
        if (coding := self._coding(connection)) != self.answers.coding:
            self.answers.recode(coding, progress)
        self.at = now
        return True

    def rebuild(self, connection: Connection, progress: Progress | None = None) -> None:
        """Reads everything anew; `progress(done, total)` is told how far it is."""
        now = read_meta(connection)
        total = self._rows.count(connection)
        vectors = np.empty((total, self.dimension), np.float32)
        ids, labels = np.empty(total, np.int64), np.empty(total, np.int64)
        filled = 0
        for part_ids, part_labels, part_vectors in self._rows.all(connection):
            end = filled + len(part_ids)
            ids[filled:end], labels[filled:end], vectors[filled:end] = part_ids, part_labels, part_vectors
            filled = end
            if progress is not None:
                progress(filled, total)
        names = {row.id: row.name for row in connection.execute(sa.select(subjects.c.id, subjects.c.name))}
        self.adopt(connection, Segment.of(vectors[:filled], ids[:filled], labels[:filled]), names, now, progress)

    def difference(self, connection: Connection) -> str | None:
        """What distinguishes this mirror from the truth at the same generation, in words; None when nothing does."""
        fresh = Mirror(self.model_id, self.dimension, self.subject_score, compress=False)
        fresh.rebuild(connection)
        if fresh.at != self.at:
            return "another generation"
        if fresh.names != self.names:
            return "other names"
        (ids, labels, vectors), (own_ids, own_labels, own_vectors) = _rows(fresh.index), _rows(self.index)
        if not np.array_equal(ids, own_ids):
            return f"{len(np.setxor1d(ids, own_ids))} templates that only one of them has"
        if not np.array_equal(labels, own_labels):
            return "templates that belong to other subjects"
        if not np.array_equal(vectors, own_vectors):
            return "other vectors"
        (ids, _, vectors), (own_ids, _, own_vectors) = _rows(fresh.answers), _rows(self.answers)
        same = np.array_equal(ids, own_ids) and np.array_equal(vectors, own_vectors)
        return None if same else "other fused templates"

    def _forget_names(self, connection: Connection) -> None:
        """Drops the names of subjects that are gone."""
        if len(self.names) == connection.execute(sa.select(sa.func.count()).select_from(subjects)).scalar_one():
            return
        present = set(connection.execute(sa.select(subjects.c.id)).scalars())
        for key in [key for key in self.names if key not in present]:
            del self.names[key]


def _rows(index: FaissIndex) -> tuple[I64, I64, F32]:
    live = [segment.compacted() for segment in index.segments]
    ids = np.concatenate([segment.ids for segment in live])
    order = np.argsort(ids)
    labels = np.concatenate([segment.labels for segment in live])[order]
    return ids[order], labels, np.concatenate([segment.vectors for segment in live])[order]
