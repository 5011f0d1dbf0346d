"""What the errors of the database and the file system are called: one clear line each."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from pipeline.errors import GalleryBusyError, GalleryDamagedError, GalleryError
from pipeline.gallery import server

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_FULL = "the disk is full; free some space and try again (nothing was changed)"
READ_ONLY = "the gallery is read-only; check the permissions of the folder and its files"
_CANNOT_OPEN = "the gallery's database cannot be opened; check the permissions of the folder and its files"
_REFUSALS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: READ_ONLY,
    errno.EACCES: READ_ONLY,
    errno.EPERM: READ_ONLY,
}
_SQLITE_REFUSALS = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR_WRITE: _FULL,  # a quota or a limit; SQLite says FULL where the file system does
    sqlite3.SQLITE_IOERR_SHMSIZE: _FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _CANNOT_OPEN,
}
_MAYBE_FULL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}  # what a full disk is called depends on the call
_FULL_BELOW = 64 * 1024  # bytes; the log's shared memory alone takes 32 KiB
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}


@contextmanager
def named_errors(label: str) -> Iterator[None]:
    """Turns the database's errors into named ones with one clear line.

    Raises:
        GalleryDamagedError: Not a database, or a damaged one.
        GalleryBusyError: Locked for longer than the busy timeout.
        GalleryUnreachableError: A server does not answer, or went away.
        GalleryError: Read-only, full disk, or anything else the database or the file system refuses.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise _named(label, error.orig or error) from error
    except sa.exc.TimeoutError as error:  # of the pool
        raise _named(label, error) from error
    except (sqlite3.Error, OSError) as error:
        raise _named(label, error) from error


def _named(label: str, error: BaseException) -> GalleryError:
    if isinstance(error, OSError):
        text = _REFUSALS.get(error.errno or 0, error.strerror or str(error))
        return GalleryError(f"{label}: {text}")
    if (known := server.named(label, error)) is not None:
        return known
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF  # the low byte; the rest says where it happened
    text = " ".join(str(error).split())
    undecodable = not extended and text.startswith("Could not decode to UTF-8")  # sqlite3's own, without a code
    if code in _DAMAGED or undecodable:
        advice = "restore a backup with `knownface gallery restore FILE`"
        return GalleryDamagedError(f"{label}: the gallery's database is damaged or is not one ({text}); {advice}")
    if code in _BUSY:
        return GalleryBusyError(f"{label}: another process kept the gallery locked for too long; try again")
    if code in _MAYBE_FULL and _is_full(Path(label)):
        return GalleryError(f"{label}: {_FULL}")
    reason = _SQLITE_REFUSALS.get(extended) or _SQLITE_REFUSALS.get(code)
    return GalleryError(f"{label}: {reason or f'the database refused: {text}'}")


def _is_full(path: Path) -> bool:
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        return shutil.disk_usage(path).free < _FULL_BELOW
    except OSError:
        return False
