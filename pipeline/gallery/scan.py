"""Which rows of a matrix have the largest inner products with a query: the inner loop of the exact search.

Pure functions of numpy arrays. What they return is a superset rule, not the final order: the scores are float32 sums
whose last digits depend on the batch; `index.exact_scores` settles those.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipeline.types import F32

Rows = npt.NDArray[np.intp]

TILE_ROWS = 8192
_FOLD = 64
_GONE = np.float32(-4.0)  # below every cosine


def largest(scores: F32, k: int) -> Rows:
    """Positions of the k largest of (N,) scores, in no order; all N when k >= N.

    The scores are folded into 64 layers first: the k columns with the largest maxima hold the k largest scores, so
    only 64 k values are partitioned instead of N.
    """
    n = len(scores)
    if k >= n:
        return np.arange(n)
    width = n // _FOLD
    if width <= 2 * k:
        return np.argpartition(scores, n - k)[n - k :]
    maxima = scores[: width * _FOLD].reshape(_FOLD, width).max(axis=0)
    columns = np.argpartition(maxima, width - k)[width - k :]
    rows = (np.arange(_FOLD)[:, None] * width + columns).ravel()
    rows = np.concatenate([rows, np.arange(width * _FOLD, n)])
    return rows[np.argpartition(scores[rows], len(rows) - k)[len(rows) - k :]]


def scan_one(matrix: F32, query: F32, k: int, dead: Rows) -> tuple[Rows, F32]:
    """The k rows most similar to one query.

    Args:
        matrix: (N, D) float32.
        query: (D,) float32.
        k: How many rows; fewer come back when there are fewer.
        dead: Rows to leave out, in any order.

    Returns:
        rows (K,) and scores (K,) float32, in no order.
    """
    scores = matrix @ query
    if len(dead):
        scores[dead] = _GONE
    rows = largest(scores, min(k, len(scores) - len(dead)))
    return rows, scores[rows]


def scan_batch(matrix: F32, queries: F32, k: int, dead: Rows) -> list[tuple[Rows, F32]]:
    """The same for each of (Q, D) queries: tiles of the matrix times all queries.

    Only scores above the k-th best so far are kept, which after the first tile are few.

    Args:
        matrix: (N, D) float32.
        queries: (Q, D) float32.
        k: How many rows per query.
        dead: Rows to leave out, ascending.

    Returns:
        Per query rows (K,) and scores (K,) float32, in no order.
    """
    n, q = len(matrix), len(queries)
    k = min(k, n - len(dead))
    if not k or not q:
        return [(np.zeros(0, np.intp), np.zeros(0, np.float32))] * q
    kept = _Kept(q, k)
    tile = max(TILE_ROWS, 2 * k)
    buffer = np.empty((q, min(tile, n)), np.float32)
    for low in range(0, n, tile):
        high = min(low + tile, n)
        scores = buffer[:, : high - low] if high - low == buffer.shape[1] else np.empty((q, high - low), np.float32)
        np.matmul(queries, matrix[low:high].T, out=scores)
        gone = dead[np.searchsorted(dead, low) : np.searchsorted(dead, high)]
        if len(gone):
            scores[:, gone - low] = _GONE
        kept.offer(scores, low)
    return kept.result()


class _Kept:
    """The best scores so far of every query, and the score that a newcomer has to beat."""

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self.floor = np.full((queries, 1), _GONE, np.float32)
        self.queries = np.zeros(0, np.intp)
        self.rows = np.zeros(0, np.intp)
        self.scores = np.zeros(0, np.float32)

    def offer(self, scores: F32, low: int) -> None:
        """Takes what is good enough of one tile's (Q, T) scores; the tile starts at row `low`."""
        q, width = scores.shape
        if self.floor[0, 0] == _GONE and width > 4 * self.k:  # nothing to compare with yet: the best of each query
            picks = np.stack([largest(line, self.k) for line in scores])
            queries, rows = np.repeat(np.arange(q), self.k), picks.ravel()
        else:
            queries, rows = np.divmod(np.flatnonzero((scores > self.floor).ravel()), width)
        self.queries = np.concatenate([self.queries, queries])
        self.rows = np.concatenate([self.rows, rows + low])
        self.scores = np.concatenate([self.scores, scores[queries, rows]])
        if len(self.rows) > 16 * q * self.k or self.floor[0, 0] == _GONE:
            self._tighten()

    def _tighten(self) -> None:
        order = np.lexsort((-self.scores, self.queries))
        queries = self.queries[order]
        starts = np.searchsorted(queries, np.arange(len(self.floor)))
        rank = np.arange(len(order)) - starts[queries]
        keep = order[rank < self.k]
        self.queries, self.rows, self.scores = self.queries[keep], self.rows[keep], self.scores[keep]
        counts = np.bincount(self.queries, minlength=len(self.floor))
        ends = np.cumsum(counts) - 1
        full = counts == self.k
        self.floor[full, 0] = self.scores[ends[full]]

    def result(self) -> list[tuple[Rows, F32]]:
        """Per query the rows and scores of the k best."""
        self._tighten()
        bounds = np.searchsorted(self.queries, np.arange(len(self.floor) + 1))
        return [(self.rows[a:b], self.scores[a:b]) for a, b in pairwise(bounds)]
