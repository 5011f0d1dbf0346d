"""What every index checks, how scores are made comparable, and the plain numpy index that is the oracle for all others.

A score is computed once more, in float64 and rounded to float32, for the few rows that could be among the best. So a
score does not depend on the index, on the batch it was asked in, or on threads; equal vectors get equal scores, and
ties fall by ascending id.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.types import F32, UNIT_TOLERANCE

I64 = npt.NDArray[np.int64]

_EXACT_ELEMENTS = 1 << 21  # multiplied at a time

SCAN_ERROR = 1e-5
"""A float32 dot product of two unit vectors lies closer to the exact one than this (measured: 3e-7 at 512-d)."""


def check_vectors(vectors: F32, dimension: int) -> F32:
    """The same vectors, contiguous.

    Raises:
        ValueError: Not float32 of shape (N, dimension), or a row that is not finite or not of unit length.
    """
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32:
        raise ValueError(f"vectors must be a float32 array, not {getattr(vectors, 'dtype', type(vectors))}")
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ValueError(f"vectors must have shape (N, {dimension}), not {vectors.shape}")
    if len(bad := bad_rows(vectors)):
        raise ValueError(f"row {bad[0]} of vectors is not finite or not of unit length")
    return np.ascontiguousarray(vectors)


def bad_rows(vectors: F32) -> npt.NDArray[np.intp]:
    """Rows that are not finite or not of unit length."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("nd,nd->n", vectors, vectors)
        return np.flatnonzero(~(np.abs(np.sqrt(squares) - 1) < UNIT_TOLERANCE))


def check_ids(ids: I64, count: int) -> I64:
    """The same ids.

    Raises:
        ValueError: Not int64 of shape (count,), or an id occurs twice.
    """
    if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.shape != (count,):
        raise ValueError(f"ids must be an int64 array of shape ({count},)")
    if len(np.unique(ids)) != count:
        raise ValueError("an id occurs twice")
    return ids


def check_k(k: int) -> None:
    """Refuses a k below 1 with ValueError."""
    if k < 1:
        raise ValueError("k must be at least 1")


def exact_scores(queries: F32, matrix: F32, rows: npt.NDArray[np.intp]) -> F32:
    """Cosine similarity, summed in float64, rounded to float32 and clipped to [-1, 1].

    Args:
        queries: (Q, D) float32 unit rows.
        matrix: (N, D) float32 unit rows.
        rows: (Q, K) the rows of the matrix to compare each query with.

    Returns:
        (Q, K) float32.
    """
    scores = np.empty(rows.shape, np.float32)
    step = max(1, _EXACT_ELEMENTS // max(1, queries.size))
    for start in range(0, rows.shape[1], step):
        part = slice(start, start + step)
        products = matrix[rows[:, part]].astype(np.float64)
        products *= queries[:, None, :]
        scores[:, part] = np.clip(products.sum(axis=-1), -1.0, 1.0)
    return scores


class ExactIndex:
    """The oracle: every row compared, every score in float64, fully sorted. Simple, not fast."""

    def __init__(self, dimension: int) -> None:
        self._vectors: F32 = np.zeros((0, dimension), np.float32)
        self._ids: I64 = np.zeros(0, np.int64)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._vectors.shape[1])

    def __len__(self) -> int:
        """Vectors held."""
        return len(self._ids)

    def add(self, vectors: F32, ids: I64) -> None:
        """Adds (N, D) float32 unit rows under N new, distinct int64 ids.

        Raises:
            ValueError: A row is not finite or not unit, a shape does not fit, or an id is there already.
        """
        vectors = check_vectors(vectors, self.dimension)
        ids = check_ids(ids, len(vectors))
        if np.isin(ids, self._ids).any():
            raise ValueError("an id is there already")
        self._vectors = np.concatenate([self._vectors, vectors])
        self._ids = np.concatenate([self._ids, ids])

    def remove(self, ids: I64) -> int:
        """Removes what is there of the ids; returns how many were."""
        keep = ~np.isin(self._ids, ids)
        self._vectors, self._ids = self._vectors[keep], self._ids[keep]
        return int(len(keep) - keep.sum())

    def search(self, vectors: F32, k: int) -> tuple[F32, I64]:
        """The k most similar of each of (Q, D) rows.

        Returns:
            scores (Q, min(k, len)) float32 descending and ids of the same shape, int64; equal scores by ascending id.

        Raises:
            ValueError: A row is not finite or not unit, a shape does not fit, or k is below 1.
        """
        vectors = check_vectors(vectors, self.dimension)
        check_k(k)
        k = min(k, len(self))
        scores = np.zeros((len(vectors), k), np.float32)
        found = np.zeros((len(vectors), k), np.int64)
        every = np.arange(len(self))[None]
        for row in range(len(vectors)):
            all_scores = exact_scores(vectors[row : row + 1], self._vectors, every)[0]
            order = np.lexsort((self._ids, -all_scores))[:k]
            scores[row], found[row] = all_scores[order], self._ids[order]
        return scores, found
