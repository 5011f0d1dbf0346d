"""The index that is used: exact inner products, safe to search from many threads while it changes.

With a `Coding` large segments carry codes (see `codes`), and a search looks at those first. The scores are exact all
the same, and so is the answer but for the probability stated there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from pipeline.gallery.codes import Coding, Progress
from pipeline.gallery.index import I64, check_ids, check_k, check_vectors, exact_scores
from pipeline.gallery.segments import Segment, joined
from pipeline.gallery.settle import NOBODY_ELSE, SPARE, Answer, Fetched, settle
from pipeline.gallery.shortlist import shortlist
from pipeline.types import F32

SEALED = 1 << 15
"""From this many rows on it pays to encode a segment; the rows added last are fewer, and are scanned exactly."""

_SEGMENTS = 8  # with codes; when there are more they are joined
_NO_FLOOR = -3.0  # below every cosine
_SMALL_TAIL = 4096  # a segment with more dead rows than this, and a quarter of it, is copied without them


class FaissIndex:
    """Exact search over segments of rows; see `pipeline.protocols.Index`.

    A search sees one state of the index from beginning to end. Changes are made by one thread at a time and published
    in one assignment.
    """

    def __init__(
        self,
        dimension: int,
        base: Segment | Iterable[Segment] = (),
        coding: Coding | None = None,
        *,
        progress: Progress | None = None,
    ) -> None:
        """An index of these rows.

        Args:
            dimension: Length of a vector.
            base: The rows to begin with; ids are distinct over all segments.
            coding: How large segments are compressed; None: not at all.
            progress: Told (done, total) rows while a segment is encoded.
        """
        self._dimension = dimension
        self._coding = coding
        self._lock = threading.Lock()
        given = (base,) if isinstance(base, Segment) else tuple(base)
        self._segments: tuple[Segment, ...] = (*given, joined((), dimension))  # the last are the rows added since
        self.recode(coding, progress)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    @property
    def coding(self) -> Coding | None:
        """How large segments are compressed."""
        return self._coding

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The rows, as they are now; those with codes first."""
        return self._segments

    def recode(self, coding: Coding | None, progress: Progress | None = None) -> None:
        """Compresses anew where the coding asks for it, or forgets the codes; searches go on meanwhile."""
        with self._lock:
            segments = tuple(_recoded(segment, coding, progress) for segment in self._segments[:-1])
            self._coding = coding
            self._segments = self._in_order((*_codes_first(segments), self._segments[-1]), progress)

    def tidy(self) -> None:
        """Leaves no dead row among the codes, and none but a small number of rows without: the form to save."""
        if (coding := self._coding) is None:
            return
        with self._lock:
            with_codes = [segment.encoded(coding.bits) for segment in self._segments if segment.codes and len(segment)]
            rest = tuple(segment for segment in self._segments if not segment.codes)
            if len(rest) > 1 and sum(map(len, rest)) >= SEALED:
                with_codes.append(joined(rest, self._dimension).encoded(coding.bits))
                rest = (joined((), self._dimension),)
            self._segments = (*with_codes, *rest)

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
            *bases, tail = (segment.without(segment.find(removed)) for segment in self._segments)
            if any(len(segment.find(ids)) for segment in (*bases, tail)):
                if not move:
                    raise ValueError("an id is there already")
                *bases, tail = (segment.relabelled(ids, labels) for segment in (*bases, tail))
                new = np.flatnonzero(~np.isin(ids, np.concatenate([s.ids[s.find(ids)] for s in (*bases, tail)])))
                vectors, ids, labels = vectors[new], ids[new], labels[new]
            if len(ids):
                if np.isin(ids, tail.ids[: tail.count]).any():  # removed here and added again: its old row must go
                    tail = tail.compacted()
                tail = tail.appended(vectors, ids, labels)
            self._segments = self._in_order((*bases, tail))

    def _in_order(self, segments: tuple[Segment, ...], progress: Progress | None = None) -> tuple[Segment, ...]:
        """Without those that are mostly dead rows, and with the last one sealed when it is long."""
        segments = tuple(_compacted(segment) for segment in segments)
        if (coding := self._coding) is None or len(segments[-1]) < SEALED:
            return segments
        with_codes = [segment for segment in segments if segment.codes and len(segment)]
        rest = [segment for segment in segments if not segment.codes]
        if len(with_codes) >= _SEGMENTS:
            with_codes, rest = [], [*with_codes, *rest]
        sealed = joined(rest, self._dimension).encoded(coding.bits, progress)
        return (*with_codes, sealed, joined((), self._dimension))

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
        for query, row_scores, row_ids, _ in self._answers(segments, vectors, k, _NO_FLOOR, by_label=False):
            scores[query], ids[query] = row_scores, row_ids
        return scores, ids

    def search_labels(self, vectors: F32, k: int, floor: float = _NO_FLOOR) -> list[tuple[F32, I64]]:
        """The k labels with the most similar rows, for each of (Q, D) rows.

        Args:
            vectors: The queries, unit rows.
            k: How many labels.
            floor: Where the index has codes, labels below this score need not be the most similar of those below it,
                which spares comparing every row to find out. The scores are exact in any case.

        Returns:
            Per query (K,) float32 scores, descending, each the best of its label, and (K,) int64 labels, all different;
            K < k where there are fewer labels.

        Raises:
            ValueError: As `search`.
        """
        vectors = check_vectors(vectors, self._dimension)
        check_k(k)
        answers = [(np.zeros(0, np.float32), np.zeros(0, np.int64))] * len(vectors)
        segments = self._segments
        for query, scores, _, labels in self._answers(segments, vectors, k, floor, by_label=True):
            if self._coding is not None and (scores < floor).any():
                scores, labels = _best_of_each(segments, vectors[query], scores, labels, floor)  # noqa: PLW2901
            answers[query] = (scores, labels)
        return answers

    def _answers(
        self, segments: tuple[Segment, ...], queries: F32, k: int, floor: float, *, by_label: bool
    ) -> Iterator[Answer]:
        fetch = partial(_fetch, segments, self._coding, floor, k + SPARE)
        return settle(fetch, queries, k, by_label=by_label)


def check_labels(labels: I64, count: int) -> I64:
    """The same labels; ValueError unless int64 of shape (count,)."""
    if not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.shape != (count,):
        raise ValueError(f"labels must be an int64 array of shape ({count},)")
    return labels


def _fetch(
    segments: tuple[Segment, ...], coding: Coding | None, floor: float, least: int, queries: F32, count: int
) -> Fetched:
    """The `count` best rows or more of each query; see `settle.Fetch`. A first pass widens with `count` / `least`."""
    others = np.full(len(queries), NOBODY_ELSE)
    first = 0 if coding is None else max(coding.first * count // least, count)
    parts = []
    for segment in [segment for segment in segments if len(segment)] or segments[:1]:
        rows, bounds = shortlist(segment, queries, count, first, floor)
        others = np.maximum(others, bounds)
        parts.append((exact_scores(queries, segment.vectors, rows), segment.ids[rows], segment.labels[rows]))
    scores, ids, labels = parts[0]
    if len(parts) > 1:
        scores, ids, labels = (np.concatenate(column, axis=1) for column in zip(*parts, strict=True))
    lines = np.arange(len(queries))[:, None]
    order = np.lexsort((ids, -scores), axis=-1)
    return scores[lines, order], ids[lines, order], labels[lines, order], others.tolist()


def _best_of_each(segments: tuple[Segment, ...], query: F32, scores: F32, labels: I64, floor: float) -> tuple[F32, I64]:
    """The same labels; below the floor, where a first pass examines no more, by all rows of theirs. Best first."""
    scores = scores.copy()
    for place in np.flatnonzero(scores < floor):
        for segment in segments:
            rows = np.flatnonzero(segment.labels[: segment.count] == labels[place])
            rows = rows[~np.isin(rows, segment.dead)]
            found = exact_scores(query[None], segment.vectors, rows[None])
            scores[place] = found.max(initial=scores[place])
    order = np.argsort(-scores, kind="stable")
    return scores[order], labels[order]


def _recoded(segment: Segment, coding: Coding | None, progress: Progress | None) -> Segment:
    if coding is None or len(segment) < SEALED:
        return replace(segment, codes=None)
    return segment.encoded(coding.bits, progress)


def _codes_first(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    return tuple(sorted(segments, key=lambda segment: segment.codes is None))


def _compacted(segment: Segment) -> Segment:
    """The segment without its dead rows where these are many."""
    if len(segment.dead) <= max(_SMALL_TAIL, segment.count // 4):
        return segment
    return segment.encoded(segment.codes.bits) if segment.codes else segment.compacted()
