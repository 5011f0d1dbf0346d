"""Compressed copies of vectors, for a first pass over far fewer bytes, and what that pass may have missed.

RaBitQ (Gao and Long, SIGMOD 2024, arXiv:2405.12497) rotates a unit vector o at random and keeps one bit a dimension:
the corner of a cube, o' = sign(R o) / sqrt(B). From the bits and the number <o', o> it estimates the inner product with
a query, <o, q> ~ <o', q> / <o', o>, without bias. The error (theorem 3.2) is sqrt(1 - <o', o>^2) / <o', o> times the
component of a random direction, which has a standard deviation of 1 / sqrt(B - 1) and Gaussian tails. Of a random
direction <o', o> comes close to sqrt(2 / pi), so that one standard deviation of the error is

    sigma(B) = sqrt(pi / 2 - 1) / sqrt(B - 1)

whatever the vectors are: the chance lies in the rotation alone. A vector of D < B dimensions is padded with zeros
before it is rotated, which is how a code gets more bits than dimensions, and a smaller error.

What is never examined exactly has an estimate of at most c, the smallest of those examined. A row whose inner product
is at least s is among the unexamined only if its estimate is too low by s - c. So where s > c + SIGMAS x sigma(B), each
row that reaches s has been examined except with a probability of 3.4e-6.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.types import F32

Rows = npt.NDArray[np.intp]
Progress = Callable[[int, int], None]

SIGMAS = 4.5
_CHUNK = 1 << 15  # rows rotated at a time
_QUERY_BITS = 8  # of a query's component; the paper needs 4
_METHOD = "rabitq"


@dataclass(frozen=True, slots=True)
class Coding:
    """How vectors are compressed and how many rows are examined exactly at first.

    Attributes:
        bits: Length of a code, a multiple of 64.
        first: Rows with the best estimates that are compared exactly; more follow where these do not settle it.
    """

    bits: int
    first: int

    def __post_init__(self) -> None:
        if self.bits < 64 or self.bits % 64 or self.first < 1:
            raise ValueError(
                f"a code of {self.bits} bits, {self.first} rows examined: 64, 128, ... bits, 1 row or more"
            )

    def as_document(self) -> dict[str, Any]:
        """The form that goes into JSON."""
        return {"method": _METHOD, "bits": self.bits, "first": self.first}

    @classmethod
    def of_document(cls, body: Mapping[str, Any]) -> Coding | None:
        """The coding that such a document names; None where it names the exact index.

        Raises:
            ValueError: It names nothing that this version knows.
        """
        match dict(body):
            case {"method": "exact"}:
                return None
            case {"method": "rabitq", "bits": int(bits), "first": int(first)}:
                return cls(bits, first)
        raise ValueError(f"the method {body.get('method')!r} is not known")


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """The codes of the rows of one matrix, in their order. Never altered, so any thread may search them."""

    bits: int
    _rotation: F32  # (D, bits), orthonormal rows
    _packed: Any  # faiss.IndexPreTransform of a faiss.IndexRaBitQFastScan

    @classmethod
    def encode(cls, vectors: F32, bits: int, progress: Progress | None = None) -> Codes:
        """Codes of (N, D) float32 unit rows.

        Args:
            vectors: The rows; may be memory-mapped.
            bits: Length of a code; at least D, or 64.
            progress: Told (done, N) rows.

        Raises:
            ValueError: The code is shorter than the vectors.
        """
        import faiss  # noqa: PLC0415

        dimension = vectors.shape[1]
        if bits < dimension:
            raise ValueError(f"a code of {bits} bits is too short for {dimension} dimensions")
        rotation = _rotation(dimension, bits)
        packed = faiss.IndexRaBitQFastScan(bits, faiss.METRIC_INNER_PRODUCT)
        faiss.copy_array_to_vector(np.zeros(bits, np.float32), packed.center)  # of the vectors there is no trace in it
        packed.is_trained, packed.qb = True, _QUERY_BITS
        for low in range(0, len(vectors), _CHUNK):
            packed.add(np.asarray(vectors[low : low + _CHUNK]) @ rotation)
            if progress is not None:
                progress(min(low + _CHUNK, len(vectors)), len(vectors))
        turn = faiss.LinearTransform(dimension, bits, False)
        faiss.copy_array_to_vector(np.ascontiguousarray(rotation.T).ravel(), turn.A)
        turn.is_trained = True
        return cls(bits, rotation, faiss.IndexPreTransform(turn, packed))

    def __len__(self) -> int:
        return int(self._packed.ntotal)

    def nearest(self, queries: F32, count: int) -> tuple[Rows, F32]:
        """The rows with the best estimates.

        Args:
            queries: (Q, D) float32 unit rows.
            count: How many rows per query, at most N.

        Returns:
            rows (Q, count), in no order, and (Q,) float32: no other row has an estimate above it.
        """
        import faiss  # noqa: PLC0415

        threads = faiss.omp_get_max_threads()
        if len(queries) == 1:
            faiss.omp_set_num_threads(1)  # of the calling thread alone
        try:
            estimates, rows = self._packed.index.search(np.ascontiguousarray(queries @ self._rotation), count)
        finally:
            faiss.omp_set_num_threads(threads)
        return rows, estimates.min(axis=1)

    def to_bytes(self) -> npt.NDArray[np.uint8]:
        """FAISS's own form of rotation and codes."""
        import faiss  # noqa: PLC0415

        data: npt.NDArray[np.uint8] = faiss.serialize_index(self._packed)
        return data

    @classmethod
    def from_bytes(cls, data: npt.NDArray[np.uint8], dimension: int, bits: int, count: int) -> Codes:
        """The codes that `to_bytes` wrote.

        Raises:
            ValueError: They are not of this kind, length, dimension or number.
        """
        import faiss  # noqa: PLC0415

        try:
            packed: Any = faiss.deserialize_index(data)
        except RuntimeError as error:
            raise ValueError("its codes cannot be read by this FAISS") from error
        if not isinstance(packed, faiss.IndexPreTransform):
            raise ValueError("its codes are of another kind")
        chain: Any = packed.chain
        if chain.size() != 1:
            raise ValueError("its codes are of another kind")
        turn, inner = faiss.downcast_VectorTransform(chain.at(0)), faiss.downcast_index(packed.index)
        if not isinstance(turn, faiss.LinearTransform) or not isinstance(inner, faiss.IndexRaBitQFastScan):
            raise ValueError("its codes are of another kind")
        if (turn.d_in, turn.d_out, inner.d, inner.ntotal) != (dimension, bits, bits, count):
            raise ValueError("its codes do not fit its vectors")
        inner.qb = _QUERY_BITS
        rotation = np.ascontiguousarray(faiss.vector_to_array(turn.A).reshape(bits, dimension).T)
        return cls(bits, rotation, packed)


def margin(bits: int) -> float:
    """How far an estimate may lie below the inner product, except with a probability of 3.4e-6."""
    return SIGMAS * math.sqrt((math.pi / 2 - 1) / (bits - 1))


@lru_cache(maxsize=8)
def _rotation(dimension: int, bits: int) -> F32:
    """(dimension, bits) float32 with orthonormal rows: the first rows of a random rotation, always the same one."""
    rng = np.random.default_rng([dimension, bits])
    columns = np.linalg.qr(rng.standard_normal((bits, dimension)))[0]  # uniform on the Stiefel manifold but for signs
    return np.ascontiguousarray((columns * rng.choice([-1.0, 1.0], dimension)).T, dtype=np.float32)
