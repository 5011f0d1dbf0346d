"""The ledger: one SQLite file a run.

    meta       what the run is about, and how far it is
    files      every path that was found, with its state; points to its content
    contents   every different content (SHA-256) once: analysed, or failed
    faces      of a content: where they are
    templates  their vectors      thumbnails  their pictures
    decisions  who they are, at one state of the gallery      clusters  which unknown ones are alike
    places     where results were written, photos sorted into, and sidecars put: an erasure goes there too

Paths are stored as the bytes the system has them in, so every file name is possible, and rows come in their order.
What is erased is overwritten (secure_delete), and no log that outlives a commit holds a copy. Where the gallery is
encrypted, paths, templates, pictures, names, reasons and most of `meta` are sealed (`app.sealed`); hashes of photos,
places of faces in them, and which faces have the same name are not.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app import sealed
from app.sealed import VAULT, Connection, Seal, transaction, update
from pipeline.errors import RunDamagedError
from pipeline.gallery import private

if TYPE_CHECKING:
    from pipeline.gallery.vault.files import FileKeys

__all__ = ["Connection", "connected", "create", "path_bytes", "path_text", "seal", "snapshot", "transaction"]

#: Seconds to wait for another process that writes.
TIMEOUT_S = 60.0

PLACES = """
create table if not exists places (
    kind text not null, path blob not null, said text not null, primary key (kind, path)
) without rowid
"""
"""Of its own: a ledger that was made before there was this table is given it when something is noted."""

SCHEMA = f"""
{PLACES};
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


def create(file: Path, keys: FileKeys | None = None) -> None:
    """Makes the ledger, readable by its owner only, unless it is there; encrypted where the gallery is.

    Args:
        file: The ledger, which nobody else is writing.
        keys: Of the gallery; None where it is not encrypted.

    Raises:
        RunDamagedError: What is there is no ledger, or one of a newer version.
        VaultLockedError: It is, or would be, encrypted, and the key is missing.
    """
    private.make_folder(file.parent)
    private.touch(file)
    with connected(file, keys, look=False) as connection:
        # in one transaction, and only then with a log: who reads finds an empty file or the whole schema
        connection.executescript(
            f"begin immediate; {SCHEMA} insert or ignore into meta values ('format', '1'); commit;"  # noqa: S608
        )
        connection.execute("pragma journal_mode = wal")
    if keys is not None:
        seal(file, keys)


def seal(file: Path, keys: FileKeys) -> bool:
    """Encrypts a ledger that nobody else is writing, under the gallery's present key; nothing where it is.

    Returns:
        Whether nothing stands in the open any more; not so while others hold SQLite's log open.

    Raises:
        RunDamagedError: The ledger cannot be used.
        VaultLockedError: The key is missing.
    """
    with connected(file, keys) as connection:
        if not connection.is_current(keys):
            with transaction(connection):
                is_new = connection.execute("select not exists (select 1 from files)").fetchone()[0]
                connection.execute(PLACES)
                connection.encrypt(keys, _sealing, is_new=bool(is_new) and not connection.seal.is_on)
        return connection.clean()


#: What is sealed, and what the seal of each value is bound to.
PATH, FAILED, SAID, ABOUT = "files.path", "files.message", "contents.message", "meta.value"
PLACE, PUT = "places.path", "places.said"
VECTOR, PICTURE, SUBJECT, REASON = "templates.vector", "thumbnails.jpeg", "decisions.subject", "decisions.reason"
#: What `meta` says that says nothing of a person.
OPEN = ("format", VAULT, "state", "pid", "started", "finished", "walks", "analysed", "owed")


def _sealing(before: Seal) -> Iterator[str]:
    """The statements that seal every value of a ledger anew."""
    for table, kept, column, place in (("files", PATH, "message", FAILED), ("places", PLACE, "said", PUT)):
        path, text = before.reads("path", kept), before.reads(column, place, "hex(path)")
        key = f"sealed_key({path}, '{kept}')"
        yield update(table, {column: f"sealed({text}, '{place}', hex({key}))", "path": key})
    for table, column, place, identity in _VALUES:
        yield update(table, {column: f"sealed({before.reads(column, place, identity)}, '{place}', {identity})"})
    yield update("decisions", {name: f"sealed_key({before.reads(name, SUBJECT)}, '{SUBJECT}')" for name in _NAMES})
    value = before.reads("value", ABOUT, "key")
    yield update("meta", {"value": f"sealed({value}, '{ABOUT}', key)"}, f"key not in {OPEN}")


_VALUES = (
    ("contents", "message", SAID, "sha256"),
    ("templates", "vector", VECTOR, "face"),
    ("thumbnails", "jpeg", PICTURE, "face"),
    ("decisions", "reason", REASON, "face"),
)
_NAMES = ("subject", "best", "runner_up")


@contextmanager
def connected(file: Path, keys: FileKeys | None = None, *, look: bool = True) -> Iterator[Connection]:
    """A connection in autocommit mode, closed at the end; its errors name the file.

    Args:
        file: The ledger.
        keys: Where its key comes from.
        look: Ask for the key where it is encrypted; not for what only removes.

    Raises:
        RunDamagedError: The ledger cannot be read or written.
        VaultLockedError: It is encrypted, and the key is missing.
    """
    try:
        with sealed.connected(file, keys, TIMEOUT_S, look=look) as connection:
            connection.execute("pragma synchronous = full")
            yield connection
    except sqlite3.Error as error:
        raise RunDamagedError(
            f"{file}: the ledger of this run cannot be used ({error}): free space on the disk, or remove the run with "
            f"`knownface runs remove {file.parent.name}` and start it again"
        ) from error


@contextmanager
def snapshot(file: Path, keys: FileKeys | None = None, *, look: bool = True) -> Iterator[Connection]:
    """A connection that sees one state of the ledger throughout, whatever is written meanwhile. As `connected`."""
    with connected(file, keys, look=False) as connection:
        connection.execute("begin")
        if look:
            connection.look_up()
        yield connection
