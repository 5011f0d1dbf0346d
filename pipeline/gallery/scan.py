"""Which rows of a matrix have the largest inner products with a query: the inner loop of the exact search.

Three ways, each where it serves best (milliseconds on two cores, quiet / with other work running):

    one query, FAISS not imported and      np.vecdot, one thread: 10,000 x 512 in 0.86 / 1.1
    fewer than 8 million floats            (0.2 s of importing FAISS would buy 0.1 ms a search)
    one query otherwise                    FAISS, one thread: 0.77 / 1.1; 100,000 x 512 in 12.5, on two threads in 42
    several queries                        numpy, tiles times all queries: 64 in 65; FAISS as it comes 560

A matrix-vector product of numpy is quicker on idle cores (0.6 and 10.5) but waits for its second thread when there is
other work, such as the networks': 8.8 instead of 1.1 was the median. So one query keeps to one thread.

The scores that come back are float32 sums whose last digits depend on the way; `index.exact_scores` settles those.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.types import F32

Rows = npt.NDArray[np.intp]

FAISS_ELEMENTS = 8_000_000
"""From this many floats on FAISS is worth importing for one query."""

_FAISS_DEAD = 256  # with more dead rows than this FAISS would have to return too many
_TILE_ELEMENTS = 1 << 20
_FOLD = 64
_GONE = np.float32(-4.0)  # below every cosine


def scan(matrix: F32, queries: F32, k: int, dead: Rows) -> tuple[Rows, F32]:
    """The k rows most similar to each query.

    Args:
        matrix: (N, D) float32, unit rows.
        queries: (Q, D) float32, unit rows.
        k: How many rows per query; fewer come back when there are fewer, and one query may get some more.
        dead: Rows to leave out, ascending.

    Returns:
        rows (Q, K) and their scores (Q, K) float32, in no order.
    """
    k = min(k, len(matrix) - len(dead))
    if not k or not len(queries):
        return np.zeros((len(queries), k), np.intp), np.zeros((len(queries), k), np.float32)
    if len(queries) > 1:
        return _scan_batch(matrix, queries, k, dead)
    if len(dead) <= _FAISS_DEAD and (matrix.size >= FAISS_ELEMENTS or "faiss" in sys.modules):
        return _scan_faiss(matrix, queries, k, dead)
    scores = np.vecdot(matrix, queries[0])
    scores[dead] = _GONE
    rows = largest(scores, k)
    return rows[None], scores[rows][None]


def largest(scores: F32, k: int) -> Rows:
    """Positions of the k largest of (N,) scores, and perhaps of a few more, in no order; all N when k >= N.

    The scores are folded into 64 layers first. The k-th largest of the columns' maxima is not above the k-th largest
    score, so what reaches it holds the k largest, and only N/64 values are partitioned.
    """
    n = len(scores)
    width = n // _FOLD
    if width > 2 * k:
        maxima = scores[: width * _FOLD].reshape(_FOLD, width).max(axis=0)
        rows = np.flatnonzero(scores >= np.partition(maxima, width - k)[width - k])
        if len(rows) <= 2 * k:
            return rows
    return np.argpartition(scores, n - k)[n - k :] if k < n else np.arange(n)


@contextmanager
def one_thread() -> Iterator[None]:
    """FAISS uses the calling thread alone meanwhile; other callers of FAISS keep theirs."""
    faiss = _faiss()
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # of the calling thread; two on one query are slower than one
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def inner_products(matrix: F32, rows: Rows, query: F32) -> F32:
    """(R,) inner products of a query with some rows of a matrix, read where they are: a copy takes three times as long.

    Args:
        matrix: (N, D) float32, C-contiguous; may be memory-mapped.
        rows: (R,) rows in [0, N).
        query: (D,) float32.

    Raises:
        ValueError: A row is not in the matrix.
    """
    faiss = _faiss()
    plain, wanted, query = np.asarray(matrix), np.ascontiguousarray(rows, np.int64), np.ascontiguousarray(query)
    scores = np.empty(len(wanted), np.float32)
    if not len(wanted):
        return scores
    if wanted.min() < 0 or wanted.max() >= len(plain) or not plain.flags.c_contiguous:
        raise ValueError(f"rows {wanted.min()} to {wanted.max()} of a contiguous matrix of {len(plain)}")
    first = np.zeros(len(wanted), np.int64)
    pointers = [faiss.swig_ptr(array) for array in (query, first, plain, wanted, scores)]
    with one_thread():
        faiss.pairwise_indexed_inner_product(plain.shape[1], len(wanted), *pointers)
    return scores


def _scan_faiss(matrix: F32, queries: F32, k: int, dead: Rows) -> tuple[Rows, F32]:
    faiss = _faiss()
    with one_thread():
        plain = np.asarray(matrix)  # not a memmap
        scores, rows = faiss.knn(queries, plain, k + len(dead), metric=faiss.METRIC_INNER_PRODUCT)
    if len(dead):
        live = np.flatnonzero(~np.isin(rows[0], dead))[:k]
        rows, scores = rows[:, live], scores[:, live]
    return rows, scores


def _faiss() -> Any:
    import faiss  # noqa: PLC0415 - 0.2 s that small galleries do not pay

    return faiss


def _scan_batch(matrix: F32, queries: F32, k: int, dead: Rows) -> tuple[Rows, F32]:
    """Tiles of the matrix times all queries; of each tile only what beats the k-th best so far is kept."""
    n, q = len(matrix), len(queries)
    tile = max(min(_TILE_ELEMENTS // q, 1 << 16), 4 * k, 4096)
    kept = _Kept(q, k)
    buffer = np.empty(q * min(tile, n), np.float32)
    for low in range(0, n, tile):
        high = min(low + tile, n)
        scores = buffer[: q * (high - low)].reshape(q, high - low)
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
        self.floor: F32 = np.full((queries, 1), _GONE, np.float32)
        self.queries = np.zeros(0, np.intp)
        self.rows = np.zeros(0, np.intp)
        self.scores: F32 = np.zeros(0, np.float32)

    def offer(self, scores: F32, low: int) -> None:
        """Takes what is good enough of one tile's (Q, T) scores; the tile starts at row `low`."""
        q, width = scores.shape
        columns = width // _FOLD
        if low == 0 and columns > self.k:  # the k-th largest of some of the scores is a floor for all
            maxima = scores[:, : columns * _FOLD].reshape(q, _FOLD, columns).max(axis=1)
            floor = np.partition(maxima, columns - self.k, axis=1)[:, columns - self.k, None]
            self.floor = np.nextafter(floor, _GONE)
        queries, rows = np.divmod(np.flatnonzero((scores > self.floor).ravel()), width)
        self.queries = np.concatenate([self.queries, queries])
        self.rows = np.concatenate([self.rows, rows + low])
        self.scores = np.concatenate([self.scores, scores[queries, rows]])
        if len(self.rows) > 8 * q * self.k:
            self._tighten()

    def _tighten(self) -> None:
        order = np.lexsort((-self.scores, self.queries))
        queries = self.queries[order]
        starts = np.searchsorted(queries, np.arange(len(self.floor)))
        rank = np.arange(len(order)) - starts[queries]
        keep = order[rank < self.k]
        self.queries, self.rows, self.scores = self.queries[keep], self.rows[keep], self.scores[keep]
        counts = np.bincount(self.queries, minlength=len(self.floor))
        full = counts == self.k
        self.floor[full, 0] = np.maximum(self.floor[full, 0], self.scores[np.cumsum(counts)[full] - 1])

    def result(self) -> tuple[Rows, F32]:
        """Rows (Q, k) and scores (Q, k) of the k best."""
        self._tighten()
        return self.rows.reshape(-1, self.k), self.scores.reshape(-1, self.k)
