"""Access to the truth: transactions, the cheap question whether anybody committed, and really deleting."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool

from pipeline.errors import GalleryBusyError, GalleryError
from pipeline.gallery import private, read_only, server
from pipeline.gallery.engine import DATABASE, LOCK, Place, check_read_only, make_engine, prepare, reading, writing
from pipeline.gallery.engine_errors import READ_ONLY, named_errors
from pipeline.gallery.snapshot import SUFFIX, TEMPORARY, generation_of
from pipeline.gallery.store import Meta, read_meta
from pipeline.gallery.vault import state as vault_state
from pipeline.gallery.vault.kept import attach
from pipeline.gallery.vault.master import NO_KEY, KeyPlaces, MasterKey
from pipeline.gallery.vault.state import Vault

_log = logging.getLogger(__name__)
INDEX_LOCK = "index.lock"
ALONE_S = 600.0


class Truth:
    """The gallery's database, open; shared by threads."""

    def __init__(self, place: Place, *, create: bool, keys: KeyPlaces = NO_KEY) -> None:
        self.place = place
        self._keys = keys
        self.read_only = place.database is not None and read_only.may_not_write(place.database)
        self.engine = make_engine(place, read_only=self.read_only)
        self._opened: tuple[Engine, Vault | None] = (self.engine, None)  # what the engine reads and writes by
        self._open_lock = threading.Lock()
        self._former: list[Engine] = []
        self._write_lock = threading.Lock()  # orders this process's writers; the database orders processes
        self._watch: Any = None  # one connection that never writes: data_version tells it what others committed
        self._watch_lock = threading.Lock()
        self._erase_due = False
        try:
            with named_errors(place.label):
                if self.read_only:
                    check_read_only(place, self.engine)
                else:
                    prepare(place, self.engine, create=create)
                with self.reading() as connection:
                    now = read_meta(connection)  # a write would make a number of anything
                if not self.read_only:
                    self._finish_erasing(now)
        except BaseException:
            self.engine.dispose()
            raise

    @property
    def folder(self) -> Path | None:
        """The folder of the database and the index files; None for a server."""
        return self.place.folder

    def close(self) -> None:
        """Gives the connections back."""
        if self._erase_due:
            self.erase()
        with self._watch_lock:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
        for engine in (*self._former, self.engine):
            engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction; errors get their names."""
        with named_errors(self.place.label), self._begun(reading) as connection:
            if not self.read_only or self.place.database is None:
                yield connection
                return
            with read_only.unchanged(connection.connection.driver_connection, self.place.database):
                yield connection

    @contextmanager
    def _begun(self, begin: Callable[[Engine], AbstractContextManager[Connection]]) -> Iterator[Connection]:
        """A transaction over an engine that has the keys of what the transaction sees.

        Raises:
            VaultLockedError: The gallery is encrypted, and its key is missing or another.
            GalleryDamagedError: It was encrypted, and is not any more.
        """
        while True:
            engine, known = self._opened
            with begin(engine) as connection:
                now = vault_state.read(connection)
                if now is None and self._keys.seen is not None:
                    self._keys.seen.require_plain(self.place.label)
                if now == known:
                    yield connection
                    return
            self._open(now)

    def _open(self, vault: Vault | None) -> None:
        """Makes an engine with the keys of a state of the vault; transactions under way keep theirs."""
        with self._open_lock:
            if self._opened[1] == vault:
                return
            engine = make_engine(self.place, read_only=self.read_only)
            if vault is not None:
                attach(engine, vault.sealer(self.master_key(vault)))
                if self._keys.seen is not None:
                    self._keys.seen.note(self.place.label, vault.vault_id)
            self._former.append(self.engine)
            self.engine, self._opened = engine, (engine, vault)
            for former in self._former:  # one in use is for later: what it gets back it would not close
                if not isinstance(former.pool, QueuePool) or not former.pool.checkedout():
                    former.dispose()

    @property
    def vault(self) -> Vault | None:
        """The keys that were opened last, wrapped; None where the gallery is not encrypted."""
        return self._opened[1]

    def master_key(self, vault: Vault) -> MasterKey:
        """The key that the gallery was opened with.

        Raises:
            VaultLockedError: It is missing, or another.
        """
        return self._keys.need(self.place.label, vault.master_id)

    def use_keys(self, keys: KeyPlaces) -> None:
        """Looks for the master key elsewhere from now on."""
        self._keys = replace(keys, seen=self._keys.seen)

    @contextmanager
    def writing(self, *, erases: bool = False) -> Iterator[Connection]:
        """A write transaction; errors get their names.

        Args:
            erases: What it removes must not stay in any file: the write-ahead log and the index files go too.

        Raises:
            GalleryError: The gallery is read-only.
        """
        if self.read_only:
            raise GalleryError(f"{self.place.label}: {READ_ONLY}")
        with named_errors(self.place.label):
            with self._write_lock, self._begun(writing) as connection:
                yield connection
            if erases or self._erase_due:
                self.erase()

    def version(self) -> int | None:
        """A number that changes iff somebody commits; None where there is none, so that one has to look."""
        if self.folder is None or self.read_only:
            return None
        with self._watch_lock:
            if self._watch is None:
                self._watch = self.engine.raw_connection()
            return int(self._watch.driver_connection.execute("PRAGMA data_version").fetchone()[0])

    def erase(self) -> None:
        """Makes sure that nothing removed stays in a file: drops older index files, empties the write-ahead log.

        A reader can hold the log open; then the next write, or close, tries again.
        """
        if self.folder is None or self.read_only:
            return
        with reading(self.engine) as connection:
            now = read_meta(connection)
        self._drop_outdated(now)
        self.clear_leftovers()
        self._erase_due = not self._checkpoint()

    def _drop_outdated(self, now: Meta) -> None:
        """Removes index files that hold what is gone, or that cannot be followed."""
        for file in self.folder.glob(f"index-*{SUFFIX}") if self.folder is not None else ():
            if generation_of(file) < max(now.removal, now.horizon):
                file.unlink(missing_ok=True)

    def _finish_erasing(self, now: Meta) -> None:
        """Does what a process that was killed between removing and erasing has left to do, whoever wrote since then.

        It waits for nobody: where the log is in use, the next write, or close, tries again.
        """
        database = self.place.database
        if database is None or not now.removal:
            return
        self._drop_outdated(now)
        log = database.with_name(database.name + "-wal")
        if log.exists() and log.stat().st_size:
            self._erase_due = not self._checkpoint(wait=False)

    @property
    def erase_due(self) -> bool:
        """Whether removed bytes may still stand in the write-ahead log."""
        return self._erase_due

    def _checkpoint(self, *, wait: bool = True) -> bool:
        raw = self.engine.raw_connection()
        try:
            if not wait:
                raw.driver_connection.execute("PRAGMA busy_timeout=0")  # type: ignore[union-attr]
            busy = raw.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]  # type: ignore[union-attr]
        except sqlite3.OperationalError as error:
            _log.warning("removed data is still in the write-ahead log: %s", error)
            return False
        finally:
            if not wait:
                raw.invalidate()  # no other use gets the connection that waits for nobody
            raw.close()
        return not busy

    def clear_leftovers(self) -> None:
        """Removes temporary files of writers that were killed; leaves them while somebody may be writing one."""
        if self.folder is None or self.read_only or not any(self.folder.glob(f"*{TEMPORARY}")):
            return
        with self.file_lock() as held:
            for file in self.folder.glob(f"*{TEMPORARY}") if held else ():
                file.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One process at a time brings an index outside of the processes up to date; the others wait for it.

        Raises:
            GalleryBusyError: It took longer than ten minutes.
        """
        folder = self.folder
        if folder is None:
            with named_errors(self.place.label), server.index_lock(self.engine, ALONE_S):
                yield
            return
        from filelock import Timeout  # noqa: PLC0415

        try:
            with named_errors(self.place.label):
                lock = private.lock(folder / INDEX_LOCK, ALONE_S, beside=folder / DATABASE)
            with lock:
                yield
        except Timeout as error:
            raise GalleryBusyError(f"{self.place.label}: another process is making the index; try again") from error

    @contextmanager
    def file_lock(self) -> Iterator[bool]:
        """The lock under which files are written; yields False, without waiting, when another process has it.

        And where no file may be written.
        """
        if self.read_only:
            yield False
            return
        from filelock import Timeout  # noqa: PLC0415

        folder = self.folder or Path()
        lock = private.lock(folder / LOCK, 0, beside=folder / DATABASE)
        held = False
        with suppress(Timeout):
            lock.acquire()
            held = True
        try:
            yield held
        finally:
            if held:
                lock.release()
