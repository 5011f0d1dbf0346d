"""Compressed copies of vectors, for a first pass over far fewer bytes, and what that pass may have missed.

RaBitQ (Gao and Long, SIGMOD 2024, arXiv:2405.12497) rotates a unit vector o at random and keeps one bit a dimension:
the corner of a cube, o' = sign(R o) / sqrt(B). From the bits and the number <o', o> it estimates the inner product with
a query, <o, q> ~ <o', q> / <o', o>, without bias. The error (theorem 3.2) is sqrt(1 - <o', o>^2) / <o', o> times the
component of a random direction, which has a standard deviation of 1 / sqrt(B - 1) and Gaussian tails. Of a random
direction <o', o> comes close to sqrt(2 / pi), so that one standard deviation of the error is

    sigma(B) = sqrt(pi / 2 - 1) / sqrt(B - 1)

whatever the vectors are: the chance lies in the rotation alone. Of an inner product s the error is smaller by
sqrt(1 - s^2), since only the part of the query that is not along the row adds to it. A vector of D < B dimensions is
padded with zeros before it is rotated, which is how a code gets more bits than dimensions, and a smaller error.

What is never examined exactly has an estimate of at most c, the smallest of those examined. A row whose inner product
is at least s is among the unexamined only if its estimate is too low by s - c. So where

    s - c > SIGMAS x sigma(B) x sqrt(1 - s^2)

a row that scores s has been examined except with a probability of `MISSED`. Whoever scores more is overlooked less: at
512 bits and 0.05 above s once in two million times, at 0.1 above once in ten thousand million.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.gallery.scan import one_thread
from pipeline.types import F32, F64

Rows = npt.NDArray[np.intp]
Progress = Callable[[int, int], None]

SIGMAS = 3.4
MISSED = 0.5 * math.erfc(SIGMAS / math.sqrt(2))
"""How likely a row that scores exactly the bound has been overlooked: 3.4e-4."""

_CHUNK = 1 << 15  # rows rotated at a time
_SHARD = 1 << 17  # rows that one thread looks through
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
    _shards: tuple[Any, ...]  # faiss.IndexRaBitQFastScan of _SHARD rows each, of fewer the last

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
        shards: list[Any] = []
        for low in range(0, len(vectors), _CHUNK):
            if low % _SHARD == 0:
                shard = faiss.IndexRaBitQFastScan(bits, faiss.METRIC_INNER_PRODUCT)
                faiss.copy_array_to_vector(np.zeros(bits, np.float32), shard.center)  # no trace of the vectors in it
                shard.is_trained, shard.qb = True, _QUERY_BITS
                shards.append(shard)
            shards[-1].add(np.asarray(vectors[low : low + _CHUNK]) @ rotation)
            if progress is not None:
                progress(min(low + _CHUNK, len(vectors)), len(vectors))
        return cls(bits, rotation, tuple(shards))

    def __len__(self) -> int:
        return sum(shard.ntotal for shard in self._shards)

    @property
    def shards(self) -> int:
        """In how many parts the rows are searched."""
        return len(self._shards)

    def rotated(self, queries: F32) -> F32:
        """(Q, bits) float32 of (Q, D): queries in the form that `nearest` takes."""
        turned: F32 = np.ascontiguousarray(queries @ self._rotation)
        return turned

    def nearest(self, shard: int, rotated: F32, count: int) -> tuple[Rows, F32]:
        """The rows of one shard with the best estimates, found by the calling thread alone.

        Args:
            shard: Which one.
            rotated: (Q, bits) float32, see `rotated`.
            count: How many rows per query of all shards together; this one contributes its share.

        Returns:
            rows (Q, K), in no order, and (Q,) float32: no other row of the shard has an estimate above it.
        """
        part = self._shards[shard]
        share = min(-(-count * part.ntotal // len(self)), part.ntotal)
        with one_thread():
            estimates, rows = part.search(rotated, share)
        return rows + shard * _SHARD, estimates.min(axis=1)

    def to_bytes(self) -> npt.NDArray[np.uint8]:
        """How many shards there are and how long each is (int64), the rotation, and the shards in FAISS's own form."""
        import faiss  # noqa: PLC0415

        shards = [faiss.serialize_index(shard) for shard in self._shards]
        sizes = np.array([len(shards), *map(len, shards)], np.int64)
        data: npt.NDArray[np.uint8] = np.concatenate(
            [sizes.view(np.uint8), self._rotation.ravel().view(np.uint8), *shards]
        )
        return data

    @classmethod
    def from_bytes(cls, data: npt.NDArray[np.uint8], dimension: int, bits: int, count: int) -> Codes:
        """The codes that `to_bytes` wrote.

        Raises:
            ValueError: They are not of this kind, length, dimension or number.
        """
        number = -(-count // _SHARD)
        head, turn = 8 * (1 + number), 4 * dimension * bits
        if len(data) < head + turn:
            raise ValueError("its codes are too short")
        sizes = np.frombuffer(data[:head].tobytes(), np.int64).tolist()
        if sizes[0] != number or min(sizes) < 0 or head + turn + sum(sizes[1:]) != len(data):
            raise ValueError("its codes are of another kind or do not fit its vectors")
        rotation = np.frombuffer(data[head : head + turn].tobytes(), np.float32).reshape(dimension, bits)
        ends = np.cumsum([head + turn, *sizes[1:]]).tolist()
        shards = tuple(_shard(data[low:high], bits) for low, high in pairwise(ends))
        if [shard.ntotal for shard in shards] != [min(_SHARD, count - low) for low in range(0, count, _SHARD)]:
            raise ValueError("its codes do not fit its vectors")
        return cls(bits, rotation, shards)


def unexamined(estimate: F64, bits: int) -> F64:
    """The inner product that no row with at most this estimate has, but for a probability of `MISSED`.

    Args:
        estimate: (Q,) the smallest estimates of the rows examined.
        bits: Length of the codes.

    Returns:
        (Q,) the s that solves the equation in the module's text.
    """
    width = SIGMAS * sigma(bits)
    square = 1 + width * width
    bound: F64 = (estimate + width * np.sqrt(np.maximum(square - estimate * estimate, 0))) / square
    return bound


def sigma(bits: int) -> float:
    """Standard deviation of the error of an estimate of 0."""
    return math.sqrt((math.pi / 2 - 1) / (bits - 1))


def _shard(data: npt.NDArray[np.uint8], bits: int) -> Any:
    import faiss  # noqa: PLC0415

    try:
        found: Any = faiss.deserialize_index(data)
    except RuntimeError as error:
        raise ValueError("its codes cannot be read by this FAISS") from error
    if not isinstance(found, faiss.IndexRaBitQFastScan) or found.d != bits:
        raise ValueError("its codes are of another kind")
    found.qb = _QUERY_BITS
    return found


@lru_cache(maxsize=8)
def _rotation(dimension: int, bits: int) -> F32:
    """(dimension, bits) float32 with orthonormal rows: the first rows of a random rotation, always the same one."""
    rng = np.random.default_rng([dimension, bits])
    columns = np.linalg.qr(rng.standard_normal((bits, dimension)))[0]  # uniform on the Stiefel manifold but for signs
    return np.ascontiguousarray((columns * rng.choice([-1.0, 1.0], dimension)).T, dtype=np.float32)
