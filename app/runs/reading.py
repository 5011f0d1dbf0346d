"""Reads files ahead of the work, in parallel and in order, a bounded number of them."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PhotoError
from pipeline.images import one_line
from pipeline.images.source import read_file

#: Threads that wait for the disk, and files that are read ahead of the work.
READERS = 2
AHEAD = 8


@dataclass(frozen=True, slots=True)
class Read:
    """A file as it was read: its bytes and their hash, or why it could not be.

    Attributes:
        path: Where it is.
        data: Its bytes.
        sha256: Their hash, in hexadecimal.
        error: Why there are none.
    """

    path: str
    data: bytes = b""
    sha256: str = ""
    error: PhotoError | None = None


def read_ahead(paths: Iterable[str], max_bytes: int) -> Iterator[Read]:
    """Every file, in order; up to AHEAD of them are in memory before they are asked for.

    Args:
        paths: The files.
        max_bytes: Largest file that is read.
    """
    pending: deque[Future[Read]] = deque()
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        try:
            for path in paths:
                pending.append(pool.submit(read_one, path, max_bytes))
                if len(pending) > AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def read_one(path: str, max_bytes: int) -> Read:
    """One file, or why it cannot be read."""
    try:
        data = read_file(Path(path), one_line(path), max_bytes)
    except PhotoError as error:
        return Read(path, error=error)
    return Read(path, data, hashlib.sha256(data).hexdigest())
