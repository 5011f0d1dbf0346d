"""Every vector's nearest neighbours among those that reach a threshold: exact, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.types import F32

Ints = npt.NDArray[np.int32]

#: Scores are compared as whole millionths, so that sums and ties do not depend on the order of additions.
MILLION = 1_000_000
_TILE = 1 << 21
"""Scores held at once: 8 MB, whatever the number of vectors."""


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A symmetric graph without loops; each vector's neighbours by number.

    Attributes:
        starts: (N+1,) int64; the neighbours of vector i stand at starts[i]:starts[i+1].
        neighbours: (E,) int32, every edge twice, once from each end.
        scores: (E,) int32, cosine similarity in millionths, the same from both ends.
    """

    starts: npt.NDArray[np.int64]
    neighbours: Ints
    scores: Ints

    def __len__(self) -> int:
        return len(self.starts) - 1


def _millionths(threshold: float) -> int:
    """A threshold as a score is compared with it: a score reaches it iff its millionths do."""
    return int(np.ceil(threshold * MILLION - 1e-3))


def neighbour_graph(vectors: F32, threshold: float, most: int) -> Graph:
    """Joins every vector with its nearest neighbours; an edge that either end has is in the graph.

    Args:
        vectors: (N, D) float32 unit rows.
        threshold: Pairs with a lower score are not joined.
        most: How many neighbours of each vector at most, the highest scores first, ties to the lower number.

    Returns:
        The graph. Beside it at most `_TILE` scores and the edges are held in memory.
    """
    n, least = len(vectors), _millionths(threshold)
    rows = max(1, _TILE // max(1, n))
    parts = [_tile(vectors, low, min(low + rows, n), least, most) for low in range(0, n, rows)]
    if not parts:
        return Graph(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32))
    one, other, scores = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return _symmetric(one, other, scores, n)


def _tile(vectors: F32, low: int, high: int, least: int, most: int) -> tuple[Ints, Ints, Ints]:
    """The directed edges of the vectors low:high."""
    block = vectors[low:high] @ vectors.T
    one, other = np.nonzero(block >= np.float32((least - 1) / MILLION))
    scores = np.rint(block[one, other].astype(np.float64) * MILLION).astype(np.int32)
    kept = (scores >= least) & (one + low != other)
    one, other, scores = one[kept], other[kept], scores[kept]
    counts = np.bincount(one, minlength=high - low)
    if counts.max(initial=0) > most:
        order = np.lexsort((other, -scores, one))
        begins = np.concatenate([[0], np.cumsum(counts)])
        best = order[np.arange(len(order)) - begins[one[order]] < most]
        one, other, scores = one[best], other[best], scores[best]
    return (one + low).astype(np.int32), other.astype(np.int32), scores


def _symmetric(one: Ints, other: Ints, scores: Ints, n: int) -> Graph:
    """Every edge from both ends, with the higher of the two scores (a product may differ in its last bit)."""
    low, high = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((-scores, high, low))
    low, high, scores = low[order], high[order], scores[order]
    first = np.ones(len(low), np.bool_)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    low, high, scores = low[first], high[first], scores[first]
    ends, others = np.concatenate([low, high]), np.concatenate([high, low])
    order = np.lexsort((others, ends))
    starts = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=n))]).astype(np.int64)
    return Graph(starts, others[order], np.concatenate([scores, scores])[order])
