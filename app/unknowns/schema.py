"""Where the clusters of unknown faces are kept: one SQLite file for a gallery and a model, in the data folder.

    clusters   every number that was ever given; one that went into another is its alias
    faces      the cluster of each face, of those as well that are known by now and may come back
    pins       faces that are one person because somebody said so, by group
    apart      faces that are not the person of a group, likewise
    runs       the runs whose unknown faces are clustered

It holds no vectors: those stay in the ledgers of the runs. What is erased is overwritten (secure_delete).
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import UnknownsDamagedError
from pipeline.gallery import private

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


def create(file: Path, gallery: str, model_id: str) -> None:
    """Makes the file, readable by its owner only, unless it is there."""
    private.make_folder(file.parent)
    private.touch(file)
    with connected(file) as connection:
        connection.executescript(_SCHEMA)
        connection.executemany(
            "insert or ignore into meta values (?, ?)", [("format", "1"), ("gallery", gallery), ("model_id", model_id)]
        )


@contextmanager
def connected(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection in autocommit mode, closed at the end; its errors name the file.

    Raises:
        UnknownsDamagedError: The file cannot be read or written.
    """
    try:
        connection = sqlite3.connect(file, timeout=TIMEOUT_S, isolation_level=None)
        try:
            connection.execute("pragma foreign_keys = on")
            connection.execute("pragma secure_delete = on")
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise UnknownsDamagedError(
            f"{file}: the clusters of unknown faces cannot be used ({error}): free space on the disk, or remove the "
            "file; the faces are then clustered anew, under new names"
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Changes that become durable together, or not at all."""
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")
