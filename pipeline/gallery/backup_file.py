"""Whether a file may replace a gallery: it must be a whole backup, and what it replaces must be a gallery."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import GalleryDamagedError, GalleryError, GalleryVersionError
from pipeline.gallery.check import damaged_pages
from pipeline.gallery.engine import BUSY_TIMEOUT_S, DATABASE
from pipeline.gallery.schema import APPEND_ONLY, REVISIONS, metadata, tables_of
from pipeline.gallery.values import bad_values

Seen = tuple[int, int, int]
_OURS = tables_of(REVISIONS[0])  # every gallery has these


def check(file: Path, database: Path) -> Seen:
    """Reads the backup from beginning to end, without changing anything beside it.

    Args:
        file: The backup.
        database: The database that it is to replace, which may be missing.

    Returns:
        What `check_unchanged` compares.

    Raises:
        GalleryError: There is no such file, it is the gallery's own, or somebody is writing to it.
        GalleryDamagedError: It is no backup of a gallery, or holds what no gallery has written.
        GalleryVersionError: It was made by a newer version.
    """
    if not file.is_file():
        raise GalleryError(f"{file}: there is no such backup file")
    if database.exists() and file.samefile(database):
        raise GalleryError(f"{file}: is the gallery's own database, not a backup of it; nothing was changed")
    seen = _look(file)
    try:
        with _reading(file) as connection:
            _check_schema(file, connection)
            problems = damaged_pages(connection) or bad_values(connection)
    except sa.exc.DatabaseError as error:
        raise GalleryDamagedError(f"{file}: is no backup of a gallery ({error.orig})") from error
    if problems:
        what = problems[0].message.partition(";")[0]
        raise GalleryDamagedError(f"{file}: is damaged ({what}); take another backup file")
    return seen


def check_unchanged(file: Path, seen: Seen) -> None:
    """Whether the file is still the one that was checked.

    Raises:
        GalleryError: Somebody has written to it.
    """
    if _look(file) != seen:
        raise GalleryError(f"{file}: was changed while it was read; nothing was changed, try again")


def check_target(folder: Path) -> None:
    """Whether what stands in the folder may be replaced: nothing, a gallery, or what is no database any more.

    Raises:
        GalleryDamagedError: It is the database of another program.
        GalleryVersionError: It was made by a newer version.
    """
    database = folder / DATABASE
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, timeout=BUSY_TIMEOUT_S)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            known = "alembic_version" in tables
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall() if known else []
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise
        return
    if not tables:
        return
    if not known or (not rows and not tables >= _OURS):
        raise GalleryDamagedError(f"{folder}: is a database, but no Knownface gallery; choose another place")
    if rows and rows[0][0] not in REVISIONS:
        raise GalleryVersionError(
            f"{folder}: was made by a newer Knownface (schema {rows[0][0]}; this one knows {REVISIONS[-1]}); "
            "update Knownface"
        )


def _look(file: Path) -> Seen:
    """Who the file is and when it was written last; a log beside it holds what the file does not."""
    for suffix in ("-wal", "-journal"):
        log = file.with_name(file.name + suffix)
        if log.exists() and log.stat().st_size:
            raise GalleryError(
                f"{file}: is a database in use, with changes that stand only in {log.name}: "
                "make a backup of it with `knownface gallery backup FILE`, and restore that"
            )
    status = file.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


@contextmanager
def _reading(file: Path) -> Iterator[Connection]:
    address = f"{file.resolve().as_uri()}?mode=ro&immutable=1"  # makes no file beside it, on read-only media either
    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=sa.pool.NullPool
    )
    with engine.connect() as connection:
        yield connection


def _check_schema(file: Path, connection: Connection) -> None:
    found = connection.exec_driver_sql("SELECT name, type, sql FROM sqlite_master WHERE type <> 'index'")
    rows: list[tuple[str, str, str]] = [(row[0], row[1], row[2]) for row in found]
    kinds = {name: kind for name, kind, sql in rows if kind != "trigger" or APPEND_ONLY.get(name) != sql}
    if "alembic_version" not in kinds:
        raise GalleryDamagedError(f"{file}: is no backup of a gallery")
    revisions = list(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())
    if len(revisions) != 1 or type(revisions[0]) is not str:
        raise GalleryDamagedError(f"{file}: does not say which schema it has; take another backup file")
    if revisions[0] not in REVISIONS:
        raise GalleryVersionError(f"{file}: was made by a newer Knownface (schema {revisions[0]}); update Knownface")
    ours = kinds.keys() & metadata.tables.keys()
    if ours != tables_of(revisions[0]) or set(kinds.values()) != {"table"}:  # a view or a trigger is nothing of ours
        raise GalleryDamagedError(f"{file}: does not have the tables of a gallery; take another backup file")
