"""The search of an open gallery by an engine elsewhere, which is kept at the truth's generation; see `external`."""

from __future__ import annotations

import logging
import threading
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import GalleryError, VaultError
from pipeline.gallery.codes import Progress
from pipeline.gallery.external import NOBODY, ExternalIndex, IndexLostError, fetch
from pipeline.gallery.faiss_index import FaissIndex
from pipeline.gallery.index import I64, check_k, check_vectors
from pipeline.gallery.records import Problem
from pipeline.gallery.rows import Columns, TruthRows
from pipeline.gallery.schema import subjects
from pipeline.gallery.settle import SPARE, Fetched, settle
from pipeline.gallery.store import Meta, chunks, read_meta
from pipeline.gallery.truth import Truth
from pipeline.gallery.vault.kept import sealer_of
from pipeline.types import F32, Candidates

_log = logging.getLogger(__name__)
_TRIES = 3
_MORE = 8  # times the templates there are: further than the first question that could have had all of them


class ExternalSearch:
    """What `LiveIndex` is for an index in memory: searches, and keeps the engine at the truth's generation."""

    def __init__(self, truth: Truth, model_id: str, index: ExternalIndex) -> None:
        self._truth, self._index = truth, index
        self._rows = TruthRows(model_id, index.dimension)
        self._at: Meta | None = None  # what the engine is known to show
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._index.dimension

    def load(self, progress: Progress | None = None) -> None:
        """Brings the engine up to date; costs one question to the truth when nobody committed since the last time."""
        with self._truth.reading() as connection:
            if sealer_of(connection.dialect) is not None:
                raise VaultError(f'{self._index.label}: would keep the templates in the open: set index = "local"')
            if read_meta(connection) == self._at:
                return
        with self._lock, self._truth.alone(), self._truth.reading() as connection:
            now, at = read_meta(connection), self._index.at()
            if at is None or not at.leads_to(now):
                self._rebuild(connection, progress)
            elif at != now:
                self._index.remove(self._rows.gone(connection, at.generation))
                ids, _, vectors = self._rows.changed(connection, at.generation)
                self._index.put(vectors, ids)
            if at != now:
                self._index.mark(now)
            self._at = now

    def _rebuild(self, connection: Connection, progress: Progress | None) -> None:
        total, done = self._rows.count(connection), 0
        self._index.clear()
        for ids, _, vectors in self._rows.all(connection):
            self._index.put(vectors, ids)
            done += len(ids)
            if progress is not None:
                progress(done, total)

    def search(self, vectors: F32, k: int, threshold: float | None = None) -> list[Candidates]:  # noqa: ARG002
        """The k subjects most like each of (Q, D) unit rows, by their best sample; takes no notice of the threshold."""
        for _ in range(_TRIES):
            self.load()
            try:
                return self._ask(check_vectors(vectors, self.dimension), k)
            except IndexLostError as error:
                _log.warning("%s; it is made anew", error.message)
                with self._lock:
                    self._at = None
        raise IndexLostError(f"{self._index.label}: the index goes as often as it is made: look after the engine")

    def _ask(self, vectors: F32, k: int) -> list[Candidates]:
        check_k(k)
        answers = [Candidates((), np.zeros(0, np.float32))] * len(vectors)
        names: dict[int, str] = {}

        def look_up(ids: I64) -> Columns:
            with self._truth.reading() as connection:
                known = self._rows.of(connection, ids.tolist())
                names.update(_names(connection, known[1].tolist()))
            return known

        def ask(queries: F32, count: int) -> Fetched:
            if count > k + SPARE:
                self._require_end(count)
            return fetch(self._index, look_up, queries, count)

        for query, scores, _, labels in settle(ask, vectors, k, by_label=True):
            real = labels != NOBODY
            answers[query] = Candidates(tuple([names[key] for key in labels[real].tolist()]), scores[real])
        return answers

    def _require_end(self, count: int) -> None:
        """Refuses to ask for ever more: an engine that always has as many candidates, but not those of the truth."""
        with self._truth.reading() as connection:
            there = self._rows.count(connection)
        if count > _MORE * (there + SPARE):
            raise IndexLostError(
                f"{self._index.label}: proposes templates that the database does not have, without end"
            )

    def loaded(self) -> FaissIndex:
        """There is none in memory.

        Raises:
            GalleryError: Always; it says so.
        """
        raise GalleryError(f'the gallery is searched by {self._index.label}: set index = "local" to tune the one here')

    def erased(self) -> None:
        """Takes what was just removed from the truth out of the engine; where that fails, the next search does it."""
        try:
            self.load()
        except GalleryError as error:
            _log.warning("what was removed is still in the index, where nobody finds it: %s", error.message)

    def compact(self) -> None:
        """Makes the engine drop the bytes of what was removed, as far as it lets one."""
        self.load()
        self._index.erase()

    def save(self) -> bool:
        """There is no file to save."""
        return False

    def close(self) -> None:
        """Gives the engine's connection back."""
        self._index.close()

    def check(self, *, repair: bool) -> list[Problem]:
        """The engine's copy, held against the truth; repairing makes it anew."""
        self.load()
        with self._truth.reading() as connection:
            what = self._difference(connection)
        if what is None:
            return []
        if repair:
            with self._lock:
                self._index.mark(None)
                self._at = None
            self.load()
        text = f"{self._index.label} disagrees with the database ({what}): it must be made anew"
        return [Problem("index_disagrees", text, repair)]

    def _difference(self, connection: Connection) -> str | None:
        count = 0
        for ids, _, vectors in self._rows.all(connection):
            known, copies = self._index.vectors_of(ids)
            order = np.argsort(known)
            if not np.array_equal(known[order], ids):
                return f"{len(ids) - len(known)} templates are missing"
            if not np.array_equal(copies[order], vectors):
                return "other vectors"
            count += len(ids)
        extra = len(self._index) - count
        return f"{extra} templates that the database does not have" if extra else None

    def figures(self) -> dict[str, Any]:
        """What there is, as it goes into JSON."""
        at = self._index.at()
        return {
            "engine": self._index.label,
            "loaded": at is not None,
            "generation": None if at is None else at.generation,
            "vectors": 0 if at is None else len(self._index),
            "damaged_templates": len(self._rows.skipped),
        }


def _names(connection: Connection, ids: list[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for chunk in chunks(ids):
        query = sa.select(subjects.c.id, subjects.c.name).where(subjects.c.id.in_(chunk))
        found.update((key, name) for key, name in connection.execute(query))
    return found
