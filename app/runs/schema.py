"""The ledger: one SQLite file a run.

    meta       what the run is about, and how far it is
    files      every path that was found, with its state; points to its content
    contents   every different content (SHA-256) once: analysed, or failed
    faces      of a content: where they are
    templates  their vectors      thumbnails  their pictures
    decisions  who they are, at one state of the gallery      clusters  which unknown ones are alike

Paths are stored as the bytes the system has them in, so every file name is possible, and rows come in their order.
What is erased is overwritten (secure_delete), and no log that outlives a commit holds a copy.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import RunDamagedError
from pipeline.gallery import private

#: Seconds to wait for another process that writes.
TIMEOUT_S = 60.0

SCHEMA = """
create table if not exists meta (key text primary key, value text not null) without rowid;
create table if not exists contents (
    sha256 text primary key, kind text not null, error text, message text, height integer, width integer
) without rowid;
create table if not exists files (
    path blob primary key, kind text not null, size integer, mtime_ns integer, seen integer not null,
    state text not null, sha256 text references contents, error text, message text
) without rowid;
create index if not exists files_by_content on files (sha256, path) where sha256 is not null;
create index if not exists files_to_do on files (path) where state = 'pending';
create table if not exists faces (
    id integer primary key, sha256 text not null references contents on delete cascade, number integer not null,
    x0 real not null, y0 real not null, x1 real not null, y1 real not null, landmarks blob not null,
    confidence real not null, norm real not null, quality real, start_s real, end_s real, unique (sha256, number)
);
create table if not exists templates (
    face integer primary key references faces on delete cascade, vector blob not null
);
create table if not exists thumbnails (
    face integer primary key references faces on delete cascade, jpeg blob not null
);
create table if not exists decisions (
    face integer primary key references faces on delete cascade, basis text not null, kind text not null,
    subject text, score real, threshold real, runner_up text, runner_up_score real, best text, best_score real,
    reason text not null, origin text not null
);
create table if not exists clusters (
    face integer primary key references faces on delete cascade, cluster text not null
);
"""


def path_bytes(path: str | Path) -> bytes:
    """A path as it is stored."""
    return os.fsencode(path)


def path_text(stored: bytes) -> str:
    """A stored path as text; bytes that are no text come back as the surrogates `os.fsdecode` makes of them."""
    return os.fsdecode(stored)


def create(file: Path) -> None:
    """Makes the ledger, readable by its owner only, unless it is there.

    Raises:
        RunDamagedError: What is there is no ledger, or one of a newer version.
    """
    private.make_folder(file.parent)
    private.touch(file)
    with connected(file) as connection:
        # in one transaction, and only then with a log: who reads finds an empty file or the whole schema
        connection.executescript(
            f"begin immediate; {SCHEMA} insert or ignore into meta values ('format', '1'); commit;"  # noqa: S608
        )
        connection.execute("pragma journal_mode = wal")


@contextmanager
def connected(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection in autocommit mode, closed at the end; its errors name the file.

    Raises:
        RunDamagedError: The ledger cannot be read or written.
    """
    try:
        connection = sqlite3.connect(file, timeout=TIMEOUT_S, isolation_level=None)
        try:
            connection.execute("pragma foreign_keys = on")
            connection.execute("pragma secure_delete = on")
            connection.execute("pragma synchronous = full")
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise RunDamagedError(
            f"{file}: the ledger of this run cannot be used ({error}): free space on the disk, or remove the run with "
            f"`knownface runs remove {file.parent.name}` and start it again"
        ) from error


@contextmanager
def snapshot(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one state of the ledger throughout, whatever is written meanwhile."""
    with connected(file) as connection:
        connection.execute("begin")
        yield connection


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
