"""A truth on a server: PostgreSQL by URL.

A URL that names no driver gets psycopg 3. To another machine the connection is encrypted, or there is none, unless the
URL says otherwise; that it is the right machine is checked where the URL says `sslmode=verify-full`. What the driver's
libpq knows goes into the URL's query; so a cluster is

    postgresql://user@/gallery?host=db1:5432&host=db2:5432&target_session_attrs=read-write

and a connection is made to whichever of the two is the primary. Writers are put in order by an advisory lock. A commit
is as durable as the server's `synchronous_commit` makes it, which is not touched here.

After a failover the standby may lack commits that were never acknowledged (or, without synchronous replication, some
that were), while their generations have been seen. So the server's timeline, which grows with every promotion, belongs
to the gallery's identity: what was derived before is made anew.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from pipeline.errors import GalleryBusyError, GalleryError, GalleryUnreachableError

CONNECT_TIMEOUT_S = 10
_SHOWN = {"host", "hostaddr", "port", "dbname", "user", "target_session_attrs", "sslmode", "connect_timeout"}
"""What of a URL's query a message may show; anything else, a slip of the pen too, may be a secret."""

_DRIVERS = {"psycopg2": "psycopg2-binary", "psycopg": "knownface[postgres]", "MySQLdb": "mysqlclient"}
_WRITER_LOCK = 0x6B6E6F776E66  # "knownf"
_INDEX_LOCK = _WRITER_LOCK + 1
_SWITCH_LOCK = _WRITER_LOCK + 2
_TIMELINE = """SELECT CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int END"""
_WENT_AWAY = (
    "the connection to the database broke; whether what was under way was done is not known: look, then try again "
    "(enrolling twice is harmless)"
)
_NO_TLS = "only where nobody can come between, add sslmode=disable to the URL's query"
_CANNOT_REACH = "the database cannot be reached (nothing was changed)"
_NEVER_CONNECTED = ("connection failed", "failed to resolve", "connection timeout")
_REFUSALS = {
    "25006": "the database only reads (a standby?); name every node and add target_session_attrs=read-write to the URL",
    "53100": "the disk of the database is full; free some space and try again (nothing was changed)",
    "42501": "the user of the database may not do this; grant it, or connect as the owner of the tables",
    "53300": "the database takes no more connections; raise its max_connections or stop other clients",
}
_BUSY = {"55P03", "40P01", "40001"}  # lock timeout, deadlock, serialisation
_GONE = {"57P01", "57P02", "57P03", "08000", "08003", "08006", "08001", "08004"}


def read_url(location: str) -> sa.URL:
    """A database URL; one that names no driver gets psycopg.

    Raises:
        GalleryError: It cannot be read.
    """
    try:
        url = sa.make_url(location)
    except (sa.exc.ArgumentError, ValueError) as error:  # ValueError: the port is no number
        raise GalleryError(
            "the gallery's database URL cannot be read: postgresql://user@host:port/database; several hosts go behind "
            "a question mark: postgresql://user@/database?host=a:5432&host=b:5432&target_session_attrs=read-write"
        ) from error
    return url.set(drivername="postgresql+psycopg") if url.drivername in {"postgresql", "postgres"} else url


def label_of(url: sa.URL) -> str:
    """What messages call it: without a password, wherever in the URL it stood."""
    hidden = {key: "***" for key in url.query if key not in _SHOWN}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def server_engine(url: sa.URL, label: str, lock_timeout_s: float) -> Engine:
    """An engine whose connections are checked before each use; connects to nothing yet.

    Raises:
        GalleryError: There is no such kind of database, its driver is not installed, or the URL cannot be used.
    """
    try:
        engine = sa.create_engine(url, pool_pre_ping=True, pool_size=8, max_overflow=32, hide_parameters=True)
    except sa.exc.NoSuchModuleError as error:
        raise GalleryError(
            f"{label}: there is no database called {url.drivername}: give a folder, or a URL such as "
            "postgresql://user@host/database"
        ) from error
    except ModuleNotFoundError as error:
        package = _DRIVERS.get(error.name or "", error.name)
        raise GalleryError(f"{label}: the driver of this database is not installed: pip install '{package}'") from error
    except (sa.exc.ArgumentError, TypeError) as error:
        text = " ".join(str(error).split())
        raise GalleryError(f"{label}: the gallery's database URL cannot be used: {text}") from error
    if engine.dialect.name == "postgresql":
        _set_up(engine, lock_timeout_s)
    return engine


def _set_up(engine: Engine, lock_timeout_s: float) -> None:
    newest = [0]  # the highest timeline that any connection has seen

    @event.listens_for(engine, "do_connect")
    def _limit(_dialect: object, _record: object, _args: object, options: dict[str, Any]) -> None:
        options.setdefault("connect_timeout", CONNECT_TIMEOUT_S)
        if _asks_for_nothing(options) and not _is_here(options):
            options["sslmode"] = "require"

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = {int(lock_timeout_s * 1000)}")
        cursor.execute(_TIMELINE)
        newest[0] = max(newest[0], int(cursor.fetchone()[0]))
        cursor.close()
        connection.commit()
        record.info["knownface_timeline"] = newest

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("knownface_write"):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")


def _asks_for_nothing(options: dict[str, Any]) -> bool:
    """Whether nobody has said how the connection is protected: libpq would talk in the open to who asks it to."""
    named = {"sslmode", "service", "gssencmode"} & options.keys()
    return not named and not os.environ.keys() & {"PGSSLMODE", "PGSERVICE"}


def _is_here(options: dict[str, Any]) -> bool:
    """Whether all hosts are this machine: no name, a socket's folder, the loopback."""
    hosts = str(options.get("hostaddr") or options.get("host") or os.environ.get("PGHOST", "")).split(",")
    return all(host in ("", "localhost") or host[0] in "/@" or _is_loopback(host) for host in hosts)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def timeline_of(connection: Connection) -> int:
    """The timeline of the server behind a connection; 0 where there is none, as with SQLite."""
    return int(connection.info.get("knownface_timeline", (0,))[0])


@contextmanager
def index_lock(engine: Engine, timeout_s: float) -> Iterator[None]:
    """Lets one process at a time in, among all that are connected to the database."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(timeout_s * 1000)}")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_INDEX_LOCK})")
        yield


@contextmanager
def switch_lock(engine: Engine) -> Iterator[bool]:
    """Whether nobody else changes the model of the gallery in this database; if so, nobody can until it ends."""
    if engine.dialect.name != "postgresql":
        yield True
        return
    with engine.begin() as connection:  # the lock goes with the transaction, so also when this process is killed
        question = sa.text(f"SELECT pg_try_advisory_xact_lock({_SWITCH_LOCK})")
        yield bool(connection.execute(question).scalar())


def rewrite(engine: Engine, tables: Sequence[str]) -> None:
    """Writes the tables anew without what was deleted; the old files go with the next checkpoint.

    The write-ahead log keeps the old pages until the server recycles it (min_wal_size, archives, replication slots).
    """
    if engine.dialect.name != "postgresql":
        return
    quoted = engine.dialect.identifier_preparer.quote
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {', '.join(map(quoted, tables))}")


def named(label: str, error: BaseException) -> GalleryError | None:
    """The named error for what a server's driver raised; None where it says nothing that is known."""
    if isinstance(error, sa.exc.TimeoutError):
        return GalleryBusyError(f"{label}: too many threads wait for the gallery's database; try again")
    if not hasattr(error, "sqlstate"):  # not from PostgreSQL
        return None
    state = error.sqlstate
    if state in _BUSY:
        return GalleryBusyError(f"{label}: another process kept the gallery locked for too long; try again")
    if state in _REFUSALS:
        return GalleryError(f"{label}: {_REFUSALS[state]}")
    if state in _GONE or (state is None and type(error).__name__ == "OperationalError"):
        text = " ".join(str(error).split())
        never = any(words in text for words in _NEVER_CONNECTED)
        if "SSL was required" in text:
            text += f"; {_NO_TLS}"
        return GalleryUnreachableError(f"{label}: {f'{_CANNOT_REACH}: {text}' if never else _WENT_AWAY}")
    return None
