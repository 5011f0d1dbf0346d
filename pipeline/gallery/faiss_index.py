"""The index that is used: exact inner products, safe to search from many threads while it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.gallery.index import I64, SCAN_ERROR, check_ids, check_k, check_vectors, exact_scores
from pipeline.gallery.scan import scan_batch, scan_one
from pipeline.gallery.segments import Segment
from pipeline.types import F32

_SPARE = 14  # rows fetched beyond k, so that the exact scores can settle who is k-th
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
        results = _search(segments, vectors, k, lambda ids, _: np.arange(len(ids)))
        scores = np.zeros((len(vectors), k), np.float32)
        ids = np.zeros((len(vectors), k), np.int64)
        for row, (row_scores, row_ids, _) in enumerate(results):
            scores[row], ids[row] = row_scores[:k], row_ids[:k]
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
        results = _search(self._segments, vectors, k, lambda _, labels: _first_of_each(labels))
        answers = []
        for scores, _, labels in results:
            first = _first_of_each(labels)[:k]
            answers.append((scores[first], labels[first]))
        return answers


def check_labels(labels: I64, count: int) -> I64:
    """The same labels; ValueError unless int64 of shape (count,)."""
    if not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.shape != (count,):
        raise ValueError(f"labels must be an int64 array of shape ({count},)")
    return labels


def _first_of_each(labels: I64) -> npt.NDArray[np.intp]:
    return np.sort(np.unique(labels, return_index=True)[1])


Distinct = Callable[[I64, I64], npt.NDArray[np.intp]]
_Found = tuple[F32, I64, I64]


def _search(segments: tuple[Segment, ...], queries: F32, k: int, distinct: Distinct) -> list[_Found]:
    """Per query the best rows (scores, ids, labels), enough that the first k `distinct` ones are settled.

    `distinct(ids, labels)` gives the positions that count as different answers, ascending.
    """
    total = sum(map(len, segments))
    results: list[_Found] = [(np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))] * len(queries)
    open_queries = list(range(len(queries))) if k and total else []
    fetch = k + _SPARE
    while open_queries:
        found = _fetch(segments, queries[open_queries], fetch)
        unsettled = []
        for query, (scores, ids, labels, lowest) in zip(open_queries, found, strict=True):
            results[query] = (scores, ids, labels)
            firsts = distinct(ids, labels)
            if len(ids) < total and (len(firsts) < k or scores[firsts[k - 1]] <= lowest + 2 * SCAN_ERROR):
                unsettled.append(query)
        open_queries = unsettled
        fetch *= 8
    return results


def _fetch(segments: tuple[Segment, ...], queries: F32, fetch: int) -> list[tuple[F32, I64, I64, float]]:
    """Per query (scores, ids, labels) of about the `fetch` best rows, sorted, and a bound on all other scores."""
    parts: list[list[tuple[F32, I64, I64]]] = [[] for _ in queries]
    lowest = np.full(len(queries), -2.0)
    for segment in segments:
        if not len(segment):
            continue
        matrix = segment.vectors[: segment.count]
        if len(queries) == 1:
            hits = [scan_one(matrix, queries[0], fetch, segment.dead)]
        else:
            hits = scan_batch(matrix, queries, fetch, segment.dead)
        for number, (rows, approximate) in enumerate(hits):
            if len(rows) < len(segment):
                lowest[number] = max(lowest[number], float(approximate.min()))
            scores = exact_scores(queries[number], matrix[rows])
            parts[number].append((scores, segment.ids[rows], segment.labels[rows]))
    answers = []
    for number, part in enumerate(parts):
        scores, ids, labels = (np.concatenate(column) for column in zip(*part, strict=True))
        order = np.lexsort((ids, -scores))
        answers.append((scores[order], ids[order], labels[order], float(lowest[number])))
    return answers
