"""Search by an engine outside of this process, which holds a copy of the vectors: pgvector or Milvus.

The engine proposes; the truth decides. What it finds is looked up in the database: who is not there any more is left
out, the scores are computed from the database's vectors, the names are the database's. So the answers are those of the
exact index as long as the engine proposes the right candidates, and nobody who was removed is ever found, however late
the engine is.

The engine keeps the generation it shows. Every search compares it with the truth's; one process at a time brings the
engine forward, by what has changed or, where that cannot be told, by everything anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from functools import partial
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import GalleryError
from pipeline.gallery.codes import Progress
from pipeline.gallery.faiss_index import FaissIndex
from pipeline.gallery.index import I64, check_k, check_vectors, exact_scores
from pipeline.gallery.records import Problem
from pipeline.gallery.rows import Columns, TruthRows
from pipeline.gallery.schema import subjects
from pipeline.gallery.settle import NO_SCORE, NOBODY_ELSE, Fetched, settle
from pipeline.gallery.store import Meta, chunks, read_meta
from pipeline.gallery.truth import Truth
from pipeline.types import F32, Candidates, IndexMethod

_log = logging.getLogger(__name__)
_NOBODY = -1  # label of what the engine proposes and the truth does not have
_TRIES = 3


class IndexLostError(GalleryError):
    """The engine has no copy, or lost it."""

    code = "index_lost"


class ExternalIndex(Protocol):
    """Vectors by id in an engine elsewhere, and the generation of the truth that they show."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    @property
    def limit(self) -> int:
        """Most candidates that one query may ask for."""
        ...

    @property
    def label(self) -> str:
        """What messages call it; never holds a password."""
        ...

    def __len__(self) -> int:
        """Vectors held."""
        ...

    def at(self) -> Meta | None:
        """The generation it shows; None where it has none, or is being made."""
        ...

    def mark(self, at: Meta | None) -> None:
        """Remembers the generation it shows, durably; None while it is being made."""
        ...

    def clear(self) -> None:
        """Makes it, or makes it anew, without a vector."""
        ...

    def put(self, vectors: F32, ids: I64) -> None:
        """Adds (N, D) rows; what an id stood for before is replaced, so that doing it twice does no harm."""
        ...

    def remove(self, ids: I64) -> int:
        """Removes what is there of the ids; returns how many were."""
        ...

    def nearest(self, queries: F32, count: int) -> list[tuple[I64, F32]]:
        """Per query ids and scores, best first; fewer than `count` only where there are no more.

        Raises:
            IndexLostError: It is not there.
        """
        ...

    def vectors_of(self, ids: I64) -> tuple[I64, F32]:
        """Those of the ids that are there, and their vectors."""
        ...

    def erase(self) -> None:
        """Makes the engine drop the bytes of what was removed, as far as it lets one."""
        ...

    def close(self) -> None:
        """Gives the connection back."""
        ...


def name_for(gallery_id: str, model_id: str) -> str:
    """What the copy of one model's templates of one gallery is called in an engine."""
    model = hashlib.sha256(model_id.encode()).hexdigest()[:12]
    return f"knownface_{gallery_id.split('.', maxsplit=1)[0][:12]}_{model}"


def mark(at: Meta, method: IndexMethod) -> str:
    """What an engine keeps: the generation it shows, and how it was made to search."""
    return json.dumps({"at": at, "method": method})


def read_mark(text: str, method: IndexMethod) -> Meta | None:
    """The generation that a mark tells; None where it was made to search in another way, so that it is made anew."""
    found = json.loads(text)
    return Meta(*found["at"]) if found["method"] == method else None


def search(index: ExternalIndex, vectors: F32, k: int) -> tuple[F32, I64]:
    """`protocols.Index.search` by the engine's own vectors alone.

    Raises:
        ValueError: A row is not finite or not unit, a shape does not fit, or k is below 1.
    """
    vectors = check_vectors(vectors, index.dimension)
    check_k(k)
    k = min(k, len(index))
    scores, found = np.zeros((len(vectors), k), np.float32), np.zeros((len(vectors), k), np.int64)

    def look_up(ids: I64) -> Columns:
        known, rows = index.vectors_of(ids)
        return known, known, rows

    for query, row_scores, ids, _ in settle(partial(_fetch, index, look_up), vectors, k, by_label=False):
        scores[query], found[query] = row_scores, ids
    return scores, found


def _fetch(index: ExternalIndex, look_up: Any, queries: F32, count: int) -> Fetched:
    """What the engine proposes, as the look-up knows it; see `settle.Fetch`."""
    asked = min(count, index.limit)
    found = index.nearest(queries, asked)
    proposed = np.unique(np.concatenate([ids for ids, _ in found])) if found else np.zeros(0, np.int64)
    known, owners, vectors = look_up(proposed)
    order = np.argsort(known)
    known, owners, vectors = known[order], owners[order], vectors[order]
    width = max((len(ids) for ids, _ in found), default=0)
    ids = np.full((len(found), width), _NOBODY, np.int64)
    labels, scores = ids.copy(), np.full(ids.shape, NO_SCORE, np.float32)
    others = []
    for line, (candidates, approximate) in enumerate(found):
        mine = candidates[np.isin(candidates, known)]
        rows = np.searchsorted(known, mine)
        ids[line, : len(mine)], labels[line, : len(mine)] = mine, owners[rows]
        scores[line, : len(mine)] = exact_scores(queries[line : line + 1], vectors, rows[None])[0]
        more = len(approximate) == count  # fewer came: there are no more, or no more may be asked for
        others.append(float(approximate.min()) if more else NOBODY_ELSE)
    lines = np.arange(len(found))[:, None]
    order = np.lexsort((ids, -scores), axis=-1)
    return scores[lines, order], ids[lines, order], labels[lines, order], others


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

        for query, scores, _, labels in settle(partial(_fetch, self._index, look_up), vectors, k, by_label=True):
            real = labels != _NOBODY
            answers[query] = Candidates(tuple([names[key] for key in labels[real].tolist()]), scores[real])
        return answers

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
