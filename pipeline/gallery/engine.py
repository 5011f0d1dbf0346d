"""The connection to the truth: where it is and how it is opened.

SQLite is opened in WAL mode (readers and the one writer do not wait for each other) with synchronous=FULL (a commit
returns after fsync), foreign keys on, a busy timeout, secure_delete (deleted bytes are overwritten with zeros) and
temporary data in memory. A URL leads to a server; see `server`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from pipeline.errors import GalleryBusyError, GalleryDamagedError, GalleryError, GalleryVersionError
from pipeline.gallery import private, server
from pipeline.gallery import read_only as read_only_
from pipeline.gallery.schema import REVISIONS

DATABASE = "gallery.db"
LOCK = "gallery.lock"
BUSY_TIMEOUT_S = 15.0
_UPGRADE_LOCK = int.from_bytes(b"kf_schem")  # any number that no other program on the server uses
MIGRATIONS = Path(__file__).with_name("migrations")

_PRAGMAS = ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "temp_store=MEMORY", "cache_size=-16384")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gallery lives.

    Attributes:
        url: SQLAlchemy URL.
        folder: The folder of the database and the index files; None for a server.
        label: What messages call it; never holds a password.
    """

    url: sa.URL
    folder: Path | None
    label: str

    @classmethod
    def of(cls, location: str | Path) -> Place:
        """Reads a folder or a database URL.

        Raises:
            GalleryError: The URL cannot be read, or is an SQLite URL (give the folder); or no file can be called so.
        """
        if "\0" in str(location):
            raise GalleryError("the gallery's location holds a NUL character: give a folder or a database URL")
        if isinstance(location, str) and "://" in location:
            url = server.read_url(location)
            if url.get_backend_name() == "sqlite":
                raise GalleryError(f"give the gallery's folder, not an SQLite URL: {url.database}")
            return cls(url, None, server.label_of(url))
        folder = Path(location)
        return cls(sa.URL.create("sqlite", database=str(folder / DATABASE)), folder, str(folder))

    @property
    def database(self) -> Path | None:
        """The SQLite file; None for a server."""
        return None if self.folder is None else self.folder / DATABASE


def exists(location: str | Path) -> bool:
    """Whether there is a gallery here; on a server, which is not asked, there always may be one.

    Raises:
        GalleryError: As `Place.of`.
    """
    database = Place.of(location).database
    return database is None or database.is_file()


def label_of(location: str | Path) -> str:
    """What messages call a gallery's folder or database URL; never holds a password.

    Raises:
        GalleryError: As `Place.of`.
    """
    return Place.of(location).label


def is_missing(location: str | Path) -> bool:
    """Whether there is nothing here at all: not even something damaged, or that may not be read.

    Raises:
        GalleryError: As `Place.of`.
    """
    database = Place.of(location).database
    if database is None:
        return False
    try:
        database.lstat()
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    return False


def make_engine(place: Place, *, read_only: bool = False) -> Engine:
    """An engine whose connections are set up as the module says; connects to nothing yet.

    Args:
        place: Where the gallery is.
        read_only: Change no file and make none; see `read_only`.

    Raises:
        GalleryError: SQLAlchemy does not know the kind of database, or the driver for it is not installed.
    """
    if place.folder is None:
        return server.server_engine(place.url, place.label, BUSY_TIMEOUT_S)
    if read_only:
        connect = partial(read_only_.connect, place.folder / DATABASE, BUSY_TIMEOUT_S)
        pool = sa.pool.NullPool
        engine = sa.create_engine("sqlite://", creator=connect, poolclass=pool, hide_parameters=True)
    else:
        engine = sa.create_engine(
            place.url,
            poolclass=sa.pool.QueuePool,
            pool_size=4,
            max_overflow=-1,
            hide_parameters=True,
            connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN and COMMIT are SQLAlchemy's, not the driver's
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("knownface_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A write transaction: takes the write lock first, commits at the end, rolls back on any error."""
    with engine.connect().execution_options(knownface_write=True) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A read transaction: every query in it sees the same state of the gallery."""
    with engine.connect() as connection, connection.begin():
        if engine.dialect.name != "sqlite":  # SQLite reads one snapshot anyway
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield connection


def check_read_only(place: Place, engine: Engine) -> None:
    """Whether a gallery that may not be changed can be read by this version.

    Raises:
        GalleryError: It would have to be upgraded.
        GalleryVersionError, GalleryDamagedError: As `prepare`.
    """
    if (revision := _revision(place, engine)) != REVISIONS[-1]:
        raise GalleryError(
            f"{place.label}: is read-only, but has the older schema {revision}; this version needs {REVISIONS[-1]}: "
            "open it once where it can be written, or copy the folder"
        )


def prepare(place: Place, engine: Engine, *, create: bool) -> None:
    """Makes or upgrades the gallery's tables; costs one query when there is nothing to do.

    Raises:
        GalleryError: There is no gallery and `create` is false, or its folder cannot be made.
        GalleryVersionError: The gallery was made by a newer version.
        GalleryDamagedError: There is a database that is no gallery.
    """
    if place.database is not None and not place.database.exists():
        if not create:
            raise GalleryError(f"{place.label}: there is no gallery; enrol somebody first")
        private.make_folder(place.database.parent)
    elif _revision(place, engine) == REVISIONS[-1]:
        return
    if place.folder is None:
        upgrade(place, engine)
        return
    from filelock import Timeout  # noqa: PLC0415 - only needed to make or upgrade a gallery

    try:
        with private.lock(place.folder / LOCK, BUSY_TIMEOUT_S, beside=place.folder / DATABASE):
            private.touch(place.folder / DATABASE)  # SQLite gives its log the mode of the database
            _set_wal(engine)
            upgrade(place, engine)
    except Timeout as error:
        raise GalleryBusyError(f"{place.label}: another process is preparing the gallery; try again") from error


def upgrade(place: Place, engine: Engine) -> None:
    """Brings the schema to the newest revision in one transaction.

    Raises:
        GalleryVersionError: The gallery was made by a newer version.
        GalleryDamagedError: There are tables, but none of ours.
    """
    if _revision(place, engine) == REVISIONS[-1]:
        return
    from alembic import command  # noqa: PLC0415 - a third of a second that an up-to-date gallery does not pay
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":  # of two nodes that start at once the second finds nothing to do
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _set_wal(engine: Engine) -> None:
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode=WAL")
    finally:
        raw.close()


def _revision(place: Place, engine: Engine) -> str | None:
    """The schema's revision; None for an empty database."""
    with engine.connect() as connection:
        tables = set(sa.inspect(connection).get_table_names())
        if not tables:
            return None
        if "alembic_version" not in tables:
            raise GalleryDamagedError(f"{place.label}: is a database, but no Knownface gallery; choose another place")
        revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if revision is None and len(tables) > 1:
        advice = "restore a backup with `knownface gallery restore FILE`"
        raise GalleryDamagedError(f"{place.label}: the gallery's database does not say which schema it has; {advice}")
    if revision is not None and revision not in REVISIONS:
        raise GalleryVersionError(
            f"{place.label}: was made by a newer Knownface (schema {revision}; this one knows {REVISIONS[-1]}); "
            "update Knownface"
        )
    return None if revision is None else str(revision)
