"""Legal holds in the truth: who is under one is not erased. Functions run inside a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pipeline.errors import LegalHoldError
from pipeline.gallery import bound_rights, names, store, times
from pipeline.gallery.schema import holds, subjects
from pipeline.gallery.vault.kept import by_name, kept_text
from pipeline.gallery.vault.sealer import REASON


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold: the subject may not be erased.

    Attributes:
        subject: Who.
        placed: Since when (UTC).
        until: Until when (UTC); None until it is released.
        reason: Why.
        actor: Who placed it.
    """

    subject: str
    placed: datetime
    until: datetime | None
    reason: str
    actor: str


def place(connection: Connection, key: int, until: datetime | None, reason: str, actor: str) -> None:
    """Places a legal hold on a subject, in place of the one there is."""
    bound_rights.require(connection, [key])
    connection.execute(sa.delete(holds).where(holds.c.subject_id == key))
    now = times.now_us()
    kept = kept_text(connection, reason, REASON, str(now))
    row = {"subject_id": key, "placed_us": now, "until_us": times.maybe_us(until), "reason": kept, "actor": actor}
    connection.execute(sa.insert(holds).values(row))
    bound_rights.bind(connection, [key])


def release(connection: Connection, key: int) -> bool:
    """Takes the hold off a subject; returns whether there was one."""
    bound_rights.require(connection, [key])
    there = bool(connection.execute(sa.delete(holds).where(holds.c.subject_id == key)).rowcount)
    bound_rights.bind(connection, [key])
    return there


def longest_hold(connection: Connection, uids: Sequence[str]) -> Row[Any] | None:
    """The hold that lasts longest, of those on the subjects of these random ids."""
    keys = bound_rights.keys_of(connection, uids)
    bound_rights.require(connection, keys)
    rows = connection.execute(sa.select(holds).where(holds.c.subject_id.in_(keys))).all()
    return max(rows, key=lambda row: (row.until_us is None, row.until_us or 0), default=None)


def put_hold(connection: Connection, key: int, row: Row[Any]) -> None:
    """The same hold on another subject, in place of the one there is."""
    connection.execute(sa.delete(holds).where(holds.c.subject_id == key))
    values = {name: value for name, value in row._asdict().items() if name != "id"}
    values["reason"] = kept_text(connection, row.reason, REASON, str(row.placed_us))
    connection.execute(sa.insert(holds).values({**values, "subject_id": key}))
    bound_rights.bind(connection, [key])


def in_force_by_name(connection: Connection) -> list[Hold]:
    """The holds in force, by name."""
    bound_rights.require(connection)
    query = sa.select(subjects.c.name, holds).join(subjects, subjects.c.id == holds.c.subject_id)
    found = connection.execute(query.where(in_force(times.now_us())).order_by(subjects.c.folded))
    rows = by_name(connection, found, attrgetter("name"))
    return [Hold(r.name, times.as_time(r.placed_us), times.maybe_time(r.until_us), r.reason, r.actor) for r in rows]


def refuse_held(connection: Connection, uids: Iterable[str]) -> None:
    """Lets nobody erase what is held.

    Args:
        connection: The transaction.
        uids: The random ids of the subjects concerned.

    Raises:
        LegalHoldError: One of them is under a legal hold.
    """
    uids = list(uids)
    bound_rights.require(connection, bound_rights.keys_of(connection, uids))
    for chunk in store.chunks(uids):
        query = sa.select(subjects.c.name, holds.c.until_us).join(subjects, subjects.c.id == holds.c.subject_id)
        row = connection.execute(query.where(subjects.c.uid.in_(chunk), in_force(times.now_us())).limit(1)).first()
        if row is not None:
            until = "" if row.until_us is None else f" until {times.as_time(row.until_us):%Y-%m-%d}"
            raise LegalHoldError(
                f"{names.shown(row.name)} is under a legal hold{until} and was not erased: "
                f"`knownface subject hold {names.shown(row.name)} --release` lifts it"
            )


def in_force(now: int) -> sa.ColumnElement[bool]:
    """Those that have not ended, at a time in microseconds."""
    return holds.c.until_us.is_(None) | (holds.c.until_us > now)
