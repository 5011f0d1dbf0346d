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
from functools import partial
from typing import Any, Protocol

import numpy as np

from pipeline.errors import GalleryError
from pipeline.gallery.index import I64, check_k, check_vectors, exact_scores
from pipeline.gallery.rows import Columns
from pipeline.gallery.settle import NO_SCORE, NOBODY_ELSE, Fetched, settle
from pipeline.gallery.store import Meta
from pipeline.types import F32, IndexMethod

NOBODY = -1  # label of what the engine proposes and the truth does not have


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
    try:
        found = json.loads(text)
        gallery_id, *numbers = found["at"]
        same = found["method"] == method
    except (ValueError, KeyError, TypeError, RecursionError):  # what we have not written
        return None
    whole = isinstance(gallery_id, str) and len(numbers) == 3 and all(type(number) is int for number in numbers)
    return Meta(gallery_id, *numbers) if same and whole else None


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

    for query, row_scores, ids, _ in settle(partial(fetch, index, look_up), vectors, k, by_label=False):
        scores[query], found[query] = row_scores, ids
    return scores, found


def fetch(index: ExternalIndex, look_up: Any, queries: F32, count: int) -> Fetched:
    """What the engine proposes, as the look-up knows it; see `settle.Fetch`."""
    asked = min(count, index.limit)
    found = index.nearest(queries, asked)
    proposed = np.unique(np.concatenate([ids for ids, _ in found])) if found else np.zeros(0, np.int64)
    known, owners, vectors = look_up(proposed)
    order = np.argsort(known)
    known, owners, vectors = known[order], owners[order], vectors[order]
    width = max((len(ids) for ids, _ in found), default=0)
    ids = np.full((len(found), width), NOBODY, np.int64)
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
