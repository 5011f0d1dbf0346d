"""The index that is used: exact inner products, safe to search from many threads while it changes."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np

from pipeline.gallery.index import I64, check_ids, check_k, check_vectors, exact_scores
from pipeline.gallery.scan import scan
from pipeline.gallery.segments import Segment
from pipeline.gallery.settle import NOBODY_ELSE, Fetched, settle
from pipeline.types import F32

_SMALL_TAIL = 4096  # a segment with more dead rows than this, and a quarter of it, is copied without them


class FaissIndex:
    """Exact search over segments of rows; see `pipeline.protocols.Index`.

    A search sees one state of the index from beginning to end. Changes are made by one thread at a time and published
    in one assignment.
    """

    def __init__(self, dimension: int, base: Segment | None = None) -> None:
        empty = Segment.of(np.zeros((0, dimension), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))
        self._dimension = dimension
        self._segments: tuple[Segment, Segment] = (base or empty, empty)  # the loaded rows, the rows added since
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    @property
    def segments(self) -> tuple[Segment, Segment]:
        """The rows, as they are now."""
        return self._segments

    def __len__(self) -> int:
        """Vectors held."""
        return sum(map(len, self._segments))

    def add(self, vectors: F32, ids: I64) -> None:
        """Adds (N, D) float32 unit rows under N new, distinct int64 ids; each id is its own label.

        Raises:
            ValueError: A row is not finite or not unit, a shape does not fit, or an id is there already.
        """
        self.apply(vectors, ids, ids, np.zeros(0, np.int64))

    def remove(self, ids: I64) -> int:
        """Removes what is there of the ids; returns how many were."""
        none = np.zeros(0, np.int64)
        before = len(self)
        self.apply(np.zeros((0, self._dimension), np.float32), none, none, np.asarray(ids, np.int64))
        return before - len(self)

    def apply(self, vectors: F32, ids: I64, labels: I64, removed: I64, *, move: bool = False) -> None:
        """Removes and adds in one step that no search sees half of.

        Args:
            vectors: (N, D) float32 unit rows to add.
            ids: (N,) int64, distinct, and not there (unless among `removed`).
            labels: (N,) int64, what each row belongs to.
            removed: (R,) int64 ids to remove first; those not there are ignored.
            move: Rows whose id is there already are not an error: they keep their vector and get the new label.

        Raises:
            ValueError: As `add`; nothing is changed then.
        """
        vectors = check_vectors(vectors, self._dimension)
        ids = check_ids(ids, len(vectors))
        labels = check_labels(labels, len(vectors))
        with self._lock:
            base, tail = (segment.without(segment.find(removed)) for segment in self._segments)
            if len(base.find(ids)) or len(tail.find(ids)):
                if not move:
                    raise ValueError("an id is there already")
                base, tail = base.relabelled(ids, labels), tail.relabelled(ids, labels)
                new = np.flatnonzero(~np.isin(ids, np.concatenate([s.ids[s.find(ids)] for s in (base, tail)])))
                vectors, ids, labels = vectors[new], ids[new], labels[new]
            if len(ids):
                if np.isin(ids, tail.ids[: tail.count]).any():  # removed here and added again: its old row must go
                    tail = tail.compacted()
                tail = tail.appended(vectors, ids, labels)
            base, tail = (s.compacted() if len(s.dead) > max(_SMALL_TAIL, s.count // 4) else s for s in (base, tail))
            self._segments = (base, tail)

    def search(self, vectors: F32, k: int) -> tuple[F32, I64]:
        """The k most similar of each of (Q, D) rows.

        Returns:
            scores (Q, min(k, len)) float32 descending and ids of the same shape, int64; equal scores by ascending id.

        Raises:
            ValueError: A row is not finite or not unit, a shape does not fit, or k is below 1.
        """
        vectors = check_vectors(vectors, self._dimension)
        check_k(k)
        segments = self._segments
        k = min(k, sum(map(len, segments)))
        scores = np.zeros((len(vectors), k), np.float32)
        ids = np.zeros((len(vectors), k), np.int64)
        for query, row_scores, row_ids, _ in settle(partial(_fetch, segments), vectors, k, by_label=False):
            scores[query], ids[query] = row_scores, row_ids
        return scores, ids

    def search_labels(self, vectors: F32, k: int) -> list[tuple[F32, I64]]:
        """The k labels with the most similar rows, for each of (Q, D) rows.

        Returns:
            Per query (K,) float32 scores, descending, each the best of its label, and (K,) int64 labels, all different;
            K < k where there are fewer labels.

        Raises:
            ValueError: As `search`.
        """
        vectors = check_vectors(vectors, self._dimension)
        check_k(k)
        answers = [(np.zeros(0, np.float32), np.zeros(0, np.int64))] * len(vectors)
        for query, scores, _, labels in settle(partial(_fetch, self._segments), vectors, k, by_label=True):
            answers[query] = (scores, labels)
        return answers


def check_labels(labels: I64, count: int) -> I64:
    """The same labels; ValueError unless int64 of shape (count,)."""
    if not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.shape != (count,):
        raise ValueError(f"labels must be an int64 array of shape ({count},)")
    return labels


def _fetch(segments: tuple[Segment, ...], queries: F32, fetch: int) -> Fetched:
    """The `fetch` best rows or more of each query; see `settle.Fetch`."""
    others = np.full(len(queries), NOBODY_ELSE)
    parts = []
    for segment in [segment for segment in segments if len(segment)] or segments[:1]:
        matrix = segment.vectors[: segment.count]
        rows, approximate = scan(matrix, queries, fetch, segment.dead)
        if rows.shape[1] < len(segment):
            others = np.maximum(others, approximate.min(axis=1))
        parts.append((exact_scores(queries, matrix, rows), segment.ids[rows], segment.labels[rows]))
    scores, ids, labels = parts[0]
    if len(parts) > 1:
        scores, ids, labels = (np.concatenate(column, axis=1) for column in zip(*parts, strict=True))
    lines = np.arange(len(queries))[:, None]
    order = np.lexsort((ids, -scores), axis=-1)
    return scores[lines, order], ids[lines, order], labels[lines, order], others.tolist()
