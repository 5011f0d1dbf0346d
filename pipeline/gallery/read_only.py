"""A gallery in a folder that may not be written: on read-only media, or another user's.

SQLite reads a database in WAL mode only where it can keep its log's index (`-shm`), unless it is told that nobody
changes the file (`immutable`). So: where there is a log with something in it, it is read as it stands (`mode=ro`);
where there is none, the file is read as immutable, and a transaction during which somebody who may write has changed it
after all is an error with a name instead of an answer. Every transaction looks anew which of the two it is.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import GalleryBusyError, GalleryError


def may_not_write(database: Path) -> bool:
    """Whether there is a database that this process may not change, or whose folder takes no file."""
    if not database.exists():
        return False
    effective = os.access in os.supports_effective_ids
    return not all(os.access(path, os.W_OK, effective_ids=effective) for path in (database, database.parent))


def connect(database: Path, timeout_s: float) -> sqlite3.Connection:
    """A connection that changes no file and makes none.

    Raises:
        GalleryError: The log beside it cannot be read without writing.
        sqlite3.Error: It cannot be opened.
    """
    log, shared = (database.with_name(database.name + suffix) for suffix in ("-wal", "-shm"))
    logged = log.exists() and (log.stat().st_size > 0 or shared.exists())
    if logged and not shared.exists():
        raise GalleryError(
            f"{database.parent}: is read-only, and a process that was killed has left changes in {log.name}: open it "
            "once where it can be written, or copy the folder"
        )
    address = f"{database.resolve().as_uri()}?mode=ro{'' if logged else '&immutable=1'}"
    factory = sqlite3.Connection if logged else _Immutable
    return sqlite3.connect(address, uri=True, timeout=timeout_s, check_same_thread=False, factory=factory)


class _Immutable(sqlite3.Connection):
    """A connection that takes no locks, so that nobody waits for it."""


@contextmanager
def unchanged(connection: object, database: Path) -> Iterator[None]:
    """What is read inside over a connection made by `connect` is one state of the database.

    Raises:
        GalleryBusyError: Somebody else, who may write, has changed the file meanwhile.
    """
    if not isinstance(connection, _Immutable):
        yield
        return
    before = _seen(database)
    try:
        yield
    finally:
        if _seen(database) != before:
            raise GalleryBusyError(f"{database.parent}: was changed while it was read; try again")


def _seen(database: Path) -> tuple[int, int, int]:
    status = database.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
