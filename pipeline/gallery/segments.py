"""Rows of an index that many threads read while one thread changes them.

A `Segment` is a matrix with an id and a label per row. Nothing that a published segment shows is ever altered: rows are
appended behind its end, removals and changes of label make a new segment that shares the matrix. So a search works on
the segments it began with, without a lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.gallery.codes import Codes, Progress
from pipeline.gallery.index import I64
from pipeline.types import F32

Rows = npt.NDArray[np.intp]
_ROOM = 64 << 20  # bytes of vectors
_NO_ROWS: Rows = np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Rows [0, count) of growing buffers.

    Attributes:
        vectors: (C, D) float32, C >= count; may be memory-mapped.
        ids: (C,) int64.
        labels: (C,) int64, what a row belongs to (a subject).
        count: Rows in use.
        dead: Rows that were removed, ascending.
        order: Rows [0, count) by ascending id, or None where they already are.
        codes: Compressed copies of the rows [0, count), or None where there are none.
    """

    vectors: F32
    ids: I64
    labels: I64
    count: int
    dead: Rows
    order: Rows | None
    codes: Codes | None = None

    @classmethod
    def of(cls, vectors: F32, ids: I64, labels: I64) -> Segment:
        """A segment of these rows; the arrays are kept, not copied."""
        return cls(vectors, ids, labels, len(ids), _NO_ROWS, _order(ids))

    def __len__(self) -> int:
        return self.count - len(self.dead)

    @property
    def live(self) -> npt.NDArray[np.bool_]:
        """(count,) True where a row was not removed."""
        mask = np.ones(self.count, np.bool_)
        mask[self.dead] = False
        return mask

    def find(self, ids: I64) -> Rows:
        """The live rows of those of the ids that are here, ascending."""
        if not self.count or not len(ids):
            return _NO_ROWS
        mine = self.ids[: self.count]
        at = np.minimum(np.searchsorted(mine, ids, sorter=self.order), self.count - 1)
        rows = at if self.order is None else self.order[at]
        rows = np.unique(rows[mine[rows] == ids])
        return rows[~np.isin(rows, self.dead)] if len(self.dead) else rows

    def appended(self, vectors: F32, ids: I64, labels: I64) -> Segment:
        """This segment with rows behind its end; its buffers grow by doubling.

        They begin large, since a search waits while they are copied: memory that no row has touched costs nothing.
        """
        end = self.count + len(ids)
        room = max(end, 2 * self.count, _ROOM // (4 * self.vectors.shape[1]))
        grown = self if end <= len(self.ids) else self._with_room(room)
        grown.vectors[self.count : end] = vectors
        grown.ids[self.count : end] = ids
        grown.labels[self.count : end] = labels
        ascending = self.order is None and (not self.count or ids[0] > self.ids[self.count - 1])
        order = None if ascending and _order(ids) is None else np.argsort(grown.ids[:end], kind="stable")
        return replace(grown, count=end, order=order)

    def _with_room(self, capacity: int) -> Segment:
        vectors = np.empty((capacity, self.vectors.shape[1]), np.float32)
        ids, labels = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
        for new, old in ((vectors, self.vectors), (ids, self.ids), (labels, self.labels)):
            new[: self.count] = old[: self.count]
        return replace(self, vectors=vectors, ids=ids, labels=labels)

    def without(self, rows: Rows) -> Segment:
        """This segment with these live rows removed."""
        return replace(self, dead=np.union1d(self.dead, rows)) if len(rows) else self

    def relabelled(self, ids: I64, labels: I64) -> Segment:
        """This segment with other labels for those of the distinct ids that are here."""
        rows = self.find(ids)
        if not len(rows):
            return self
        order = np.argsort(ids)
        at = order[np.searchsorted(ids, self.ids[rows], sorter=order)]
        changed = self.labels.copy()
        changed[rows] = labels[at]
        return replace(self, labels=changed)

    def compacted(self) -> Segment:
        """The live rows alone, in new arrays, without codes."""
        live = np.flatnonzero(self.live)
        return Segment.of(self.vectors[live], self.ids[live], self.labels[live])

    def encoded(self, bits: int, progress: Progress | None = None) -> Segment:
        """The live rows with codes of this length; itself where it is so already."""
        if self.codes is not None and self.codes.bits == bits and not len(self.dead):
            return self
        rows = self.compacted() if len(self.dead) or self.count < len(self.ids) else self
        return replace(rows, codes=Codes.encode(rows.vectors, bits, progress))


def joined(segments: Sequence[Segment], dimension: int) -> Segment:
    """The live rows of several segments as one; without codes, and without a copy where that can be."""
    filled = [segment for segment in segments if len(segment)]
    if len(filled) == 1 and not len(filled[0].dead):
        [one] = filled
        return Segment.of(one.vectors[: one.count], one.ids[: one.count], one.labels[: one.count])
    live = [segment.compacted() for segment in filled]
    if not live:
        return Segment.of(np.zeros((0, dimension), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Segment.of(
        *(np.concatenate([getattr(part, name) for part in live]) for name in ("vectors", "ids", "labels"))
    )


def _order(ids: I64) -> Rows | None:
    return None if np.all(ids[1:] > ids[:-1]) else np.argsort(ids, kind="stable")
