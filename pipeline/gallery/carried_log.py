"""The audit log of a gallery that is replaced by a backup: it is not turned back, it goes on and says so."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import LegalHoldError
from pipeline.gallery import audit, times
from pipeline.gallery.anchor import Anchor, End, is_signed
from pipeline.gallery.audit import Note, Scribe
from pipeline.gallery.engine import BUSY_TIMEOUT_S
from pipeline.gallery.schema import APPEND_ONLY, audit_head
from pipeline.gallery.schema import audit as audit_table

Row = tuple[Any, ...]


class OldLog:
    """The log of the gallery that is to be replaced.

    Attributes:
        entries: Its entries as they stand.
        head: The row that says where it ends; None where there is no log, or none that can be read.
    """

    def __init__(self, database: Path) -> None:
        self.entries: list[Row] = []
        self.head: Row | None = None
        if not database.exists():
            return
        try:
            with closing(sqlite3.connect(database, timeout=BUSY_TIMEOUT_S)) as connection:
                connection.execute("BEGIN")
                self._refuse_held(connection)
                self.head = connection.execute(f"SELECT {_columns(audit_head)} FROM audit_head").fetchone()  # noqa: S608
                self.entries = connection.execute(
                    f"SELECT {_columns(audit_table)} FROM audit ORDER BY id"  # noqa: S608 - our own names
                ).fetchall()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            self.entries, self.head = [], None

    @staticmethod
    def _refuse_held(connection: sqlite3.Connection) -> None:
        known = connection.execute("SELECT name FROM sqlite_master WHERE name = 'holds'").fetchone()
        query = "SELECT count(*) FROM holds WHERE until_us IS NULL OR until_us > ?"
        held = connection.execute(query, (times.now_us(),)).fetchone()[0] if known else 0
        if held:
            raise LegalHoldError(
                f"{held} subjects of the gallery are under a legal hold, so it is not replaced: "
                "`knownface subject holds` lists them"
            )


def carry(connection: Connection, old: OldLog, scribe: Scribe, place: str) -> End | None:
    """Puts the old log in place of the backup's and adds that a backup was restored; returns the end to note.

    Where there is no old log, or none that can be read, the backup's goes on as another chain.

    Args:
        connection: A write transaction on the copy of the backup that becomes the gallery.
        old: The log so far.
        scribe: In whose name, and who signs.
        place: What the note in the data folder calls the gallery.
    """
    theirs, signed, signature = audit.read_head(connection)
    keys = {} if scribe.anchor is None else scribe.anchor.trusted()
    detail: dict[str, Any] = {
        "backup": {"chain": theirs.chain_id, "entries": theirs.entries, "last_hash": theirs.last_hash},
        "backup_signed": theirs == signed and is_signed(signed, signature, keys),
    }
    kept = old.head is not None and bool(old.entries)
    if old.head is not None and kept:
        _replace(connection, old.entries, old.head)
        detail["log"] = "kept"
    else:
        detail["log"] = "from the backup"
        seen = None if scribe.anchor is None else scribe.anchor.seen(place)
        if seen is not None:
            detail["lost"] = {"chain": seen.chain_id, "entries": seen.entries, "last_hash": seen.last_hash}
        _another_chain(connection, theirs, scribe.anchor)
    _drop_triggers(connection)  # somebody may have taken them out of the backup
    for statement in APPEND_ONLY.values():
        connection.exec_driver_sql(statement)
    before, after = audit.append(connection, scribe, [Note("restore", "", detail)])
    if kept and scribe.anchor is not None:
        return audit.remember(connection, scribe.anchor, place, before, after)
    return after


def _replace(connection: Connection, entries: list[Row], head: Row) -> None:
    _drop_triggers(connection)
    connection.execute(sa.delete(audit_table))
    marks = ", ".join("?" for _ in audit_table.c)
    insert = f"INSERT INTO audit ({_columns(audit_table)}) VALUES ({marks})"  # noqa: S608 - our own names
    connection.exec_driver_sql(insert, entries)
    assignments = ", ".join(f"{column.name} = ?" for column in audit_head.c)
    connection.exec_driver_sql(f"UPDATE audit_head SET {assignments}", head)  # noqa: S608 - our own names


def _drop_triggers(connection: Connection) -> None:
    for trigger in APPEND_ONLY:
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {trigger}")


def _another_chain(connection: Connection, theirs: End, anchor: Anchor | None) -> None:
    """The backup's entries under a new name: the old name may have been seen longer than they are."""
    chain = uuid.uuid4().hex
    connection.execute(sa.update(audit_head).values(chain_id=chain, key_id="", signature=""))
    if anchor is not None:
        anchor.signed_last = End(chain, theirs.entries, theirs.last_hash)


def _columns(table: sa.Table) -> str:
    return ", ".join(column.name for column in table.c)
