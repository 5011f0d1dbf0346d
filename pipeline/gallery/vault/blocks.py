"""Sealed blocks: how an index file of an encrypted gallery holds a section, and how it is opened into memory.

Each block is authenticated with its place (`identity`), so nothing else has to be checked. AES-GCM lets go of the
interpreter's lock where it writes into memory that is there, so two threads open at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.gallery.vault.sealer import OVERHEAD, Sealer, SealError

_COLUMN = "index"
_BYTES = 8 << 20  # of a block before it is sealed, or one part more
_LENGTH = struct.Struct("<Q")
_THREADS = 2


def sealed(
    parts: Iterable[npt.NDArray[Any]], sealer: Sealer, identity: Callable[[int], str]
) -> Iterator[npt.NDArray[np.uint8]]:
    """The bytes of arrays in sealed blocks, each behind its length.

    Args:
        parts: The arrays, one after the other.
        sealer: What seals.
        identity: What a block is bound to, by its number.
    """
    for number, block in enumerate(_blocks(parts)):
        closed = sealer.seal(block, _COLUMN, identity(number))
        yield np.frombuffer(_LENGTH.pack(len(closed)) + closed, np.uint8)


def opened(data: npt.NDArray[np.uint8], sealer: Sealer, identity: Callable[[int], str]) -> npt.NDArray[np.uint8]:
    """The bytes that `sealed` made blocks of.

    Raises:
        SealError: A block was altered, moved, or is under a key that is gone; or its end is missing.
    """
    places = list(_places(data))
    if not places:  # nothing of it would be authenticated
        raise SealError("was altered")
    starts = np.cumsum([0, *(length - OVERHEAD for _, length in places)])
    out = np.empty(int(starts[-1]), np.uint8)

    def one(number: int) -> None:
        start, length = places[number]
        room = out[starts[number] : starts[number + 1]]
        sealer.open_into(data[start : start + length].data, room.data, _COLUMN, identity(number))

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(one, range(len(places))))
    return out


def _places(data: npt.NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """Where each block stands, and its length."""
    start = 0
    while start < len(data):
        head = data[start : start + _LENGTH.size].tobytes()
        start += _LENGTH.size
        length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
        if not OVERHEAD <= length <= len(data) - start:
            raise SealError("was altered")
        yield start, length
        start += length


def _blocks(parts: Iterable[npt.NDArray[Any]]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    empty = True
    for part in parts:
        gathered.append(np.ascontiguousarray(part).tobytes())
        if sum(map(len, gathered)) >= _BYTES:
            yield b"".join(gathered)
            gathered, empty = [], False
    if gathered or empty:  # one block at least, so that an empty section is sealed too
        yield b"".join(gathered)
