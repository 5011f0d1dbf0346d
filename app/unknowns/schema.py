"""Where the clusters of unknown faces are kept: one SQLite file for a gallery and a model, in the data folder.

    clusters   every number that was ever given; one that went into another is its alias
    faces      the cluster of each face, of those as well that are known by now and may come back
    pins       faces that are one person because somebody said so, by group
    apart      faces that are not the person of a group, likewise
    runs       the runs whose unknown faces are clustered

It holds no vectors: those stay in the ledgers of the runs. What is erased is overwritten (secure_delete). Where the
gallery is encrypted the names are sealed (`app.sealed`).
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app import sealed
from app.sealed import Connection, Seal, transaction, update
from pipeline.errors import UnknownsDamagedError
from pipeline.gallery import private

if TYPE_CHECKING:
    from pipeline.gallery.vault.files import FileKeys

__all__ = ["Connection", "connected", "create", "file_of", "folder", "seal", "transaction"]

#: The names, as the seal knows them.
SUBJECT = "clusters.subject"
#: Seconds to wait for another process that writes.
TIMEOUT_S = 60.0

_SCHEMA = """
create table if not exists meta (key text primary key, value text not null) without rowid;
create table if not exists clusters (
    number integer primary key autoincrement, alias integer references clusters, subject text
);
create table if not exists faces (
    face text primary key, number integer not null references clusters, here integer not null
) without rowid;
create index if not exists faces_by_number on faces (number);
create table if not exists pins (face text primary key, person integer not null) without rowid;
create table if not exists apart (
    person integer not null, face text not null, primary key (person, face)
) without rowid;
create table if not exists runs (name text primary key) without rowid;
"""


def folder(home: Path) -> Path:
    """Where they all lie."""
    return home / "unknowns"


def file_of(home: Path, gallery: str, model_id: str) -> Path:
    """The file for a gallery (by its label, which has no password) and a model; it need not be there."""
    digest = hashlib.sha256(f"{gallery}\n{model_id}".encode()).hexdigest()
    return folder(home) / f"{digest[:16]}.sqlite3"


def create(file: Path, gallery: str, model_id: str, keys: FileKeys | None = None) -> None:
    """Makes the file, readable by its owner only, unless it is there; encrypted where the gallery is."""
    private.make_folder(file.parent)
    private.touch(file)
    with connected(file, look=False) as connection:
        connection.executescript(_SCHEMA)
        connection.executemany(
            "insert or ignore into meta values (?, ?)", [("format", "1"), ("gallery", gallery), ("model_id", model_id)]
        )
    if keys is not None:
        seal(file, keys)


def seal(file: Path, keys: FileKeys) -> bool:
    """Encrypts the names in it, under the gallery's present key; nothing where they are.

    Returns:
        Whether nothing stands in the open any more.

    Raises:
        UnknownsDamagedError: The file cannot be used.
        VaultLockedError: The key is missing.
    """
    with connected(file, keys) as connection:
        if not connection.is_current(keys):
            with transaction(connection):
                connection.encrypt(keys, _sealing)
        return connection.clean()


def _sealing(before: Seal) -> Iterator[str]:
    yield update("clusters", {"subject": f"sealed_key({before.reads('subject', SUBJECT)}, '{SUBJECT}')"})


@contextmanager
def connected(file: Path, keys: FileKeys | None = None, *, look: bool = True) -> Iterator[Connection]:
    """A connection in autocommit mode, closed at the end; its errors name the file.

    Args:
        file: The clusters of a gallery and a model.
        keys: Where the key comes from, if the file is encrypted.
        look: Ask for it where it is.

    Raises:
        UnknownsDamagedError: The file cannot be read or written.
        VaultLockedError: It is encrypted, and the key is missing.
    """
    try:
        with sealed.connected(file, keys, TIMEOUT_S, look=look) as connection:
            yield connection
    except sqlite3.Error as error:
        raise UnknownsDamagedError(
            f"{file}: the clusters of unknown faces cannot be used ({error}): free space on the disk, or remove the "
            "file; the faces are then clustered anew, under new names"
        ) from error
