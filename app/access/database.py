"""The one file that says who may use Knownface: `<home>/access.sqlite3`, readable by its owner only."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pipeline.errors import AccessError
from pipeline.gallery import private

FILE = "access.sqlite3"
_TIMEOUT_S = 10.0
_SCHEMA = """
create table if not exists users (
  name text primary key, role integer not null, hash text not null, created text not null
) strict;
create table if not exists failures (name text primary key, count integer not null, at real not null) strict;
create table if not exists keys (
  id text primary key, name text not null unique, role integer not null, hash blob not null, created real not null,
  expires real
) strict;
"""


@contextmanager
def changing(file: Path) -> Iterator[sqlite3.Connection]:
    """A transaction; the file and its tables are made if need be.

    Raises:
        AccessError: The file cannot be read or written, or others may do so.
    """
    try:
        private.make_folder(file.parent)
        if not file.exists():
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        if private.others_may(file, private.READ):
            raise AccessError(f"{file}: others may read or write who has access here: run `chmod 600 {file}`")
        with closing(sqlite3.connect(file, timeout=_TIMEOUT_S)) as db:
            db.execute("pragma secure_delete = on")
            db.executescript(_SCHEMA)
            with db:
                yield db
    except (sqlite3.DatabaseError, OSError) as error:
        raise AccessError(f"{file}: the users cannot be read or written ({error})") from error


class Part:
    """A table of the file. Safe to share between threads and processes.

    Args:
        home: The data folder.
        now: The clock, in seconds since 1970.
    """

    _table: ClassVar[str]

    def __init__(self, home: Path, now: Callable[[], float] = time.time) -> None:
        self.file = home / FILE
        self._now = now

    def any(self) -> bool:
        """Whether there is a row. Errors: `changing`."""
        return bool(self._rows(f"select 1 from {self._table} limit 1"))  # noqa: S608 - a constant

    def _rows(self, query: str, *values: object) -> list[Any]:
        """What a question gives; nothing where there is no file yet, and none is made."""
        if not self.file.exists():
            return []
        with changing(self.file) as db:
            return db.execute(query, values).fetchall()
