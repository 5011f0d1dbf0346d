"""The audit log: what was done to the gallery and with it, by whom; each entry is chained to the one before.

    entry_hash = SHA-256(previous_hash || canonical entry)

where `||` joins the 32 bytes of the previous entry's hash (zeros before the first) with the canonical entry: the JSON
array [id, at_us, actor, action, target, detail] in ASCII without spaces, `detail` being the very text that is kept.
Entries are written in the transaction of what they tell of, so the database's order of writers is theirs; `anchor`
holds the end of the chain. No entry holds a vector, a crop, a photo or a subject's name: a subject is called by its
random id.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import GalleryDamagedError
from pipeline.gallery.anchor import Anchor, End, Signature, is_signed
from pipeline.gallery.schema import audit, audit_head, samples, subjects
from pipeline.gallery.store import count, read_meta
from pipeline.gallery.times import as_time, now_us

NOTHING = "0" * 64
"""The hash before the first entry."""

STARTED = "audit_start"
MAX_DETAIL = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was done.

    Attributes:
        action: One word, such as `enrol`.
        target: What it was done to, `subject:<id>` for instance; no name.
        detail: More, as it goes into JSON; no name, vector or crop.
    """

    action: str
    target: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it is stored.

    Attributes:
        id: Its number: 1, 2, 3 ... without gaps.
        at_us: When, in microseconds since 1970-01-01 UTC.
        actor: Who did it.
        action: What, in one word.
        target: What it was done to.
        detail: More, as a JSON text.
        previous_hash: The hash of the entry before.
        entry_hash: This one's.
    """

    id: int
    at_us: int
    actor: str
    action: str
    target: str
    detail: str
    previous_hash: str
    entry_hash: str

    @property
    def at(self) -> datetime:
        """When (UTC)."""
        return as_time(self.at_us)

    def as_dict(self) -> dict[str, Any]:
        """As it goes into JSON; `detail` is the text that is hashed."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Scribe:
    """Who writes into the log.

    Attributes:
        actor: In whose name.
        anchor: Signs the end; None signs nothing.
    """

    actor: str = ""
    anchor: Anchor | None = None


NOBODY = Scribe()
"""Writes in no name and signs nothing."""


def hash_of(previous_hash: str, entry: Sequence[Any]) -> str:
    """The hash of an entry [id, at_us, actor, action, target, detail]."""
    canonical = json.dumps(list(entry), ensure_ascii=True, separators=(",", ":")).encode()
    return hashlib.sha256(bytes.fromhex(previous_hash) + canonical).hexdigest()


def target_of(uid: str) -> str:
    """What the log calls a subject."""
    return f"subject:{uid}"


def read_head(connection: Connection) -> tuple[End, End, Signature]:
    """Where the chain ends, where it ended when that was signed last, and the signature.

    Raises:
        GalleryDamagedError: The row is gone.
    """
    row = connection.execute(_READ_HEAD).one_or_none()
    if row is None:
        raise GalleryDamagedError(
            "the end of the gallery's audit log is gone: restore a backup with `knownface gallery restore FILE`"
        )
    signed = End(row.chain_id, row.signed_entries, row.signed_hash)
    return End(row.chain_id, row.entries, row.last_hash), signed, Signature(row.key_id, row.signature)


_READ_HEAD = sa.select(audit_head)
_INSERT = sa.insert(audit)
_MOVE_HEAD = sa.update(audit_head)


def append(connection: Connection, scribe: Scribe, notes: Sequence[Note]) -> tuple[End, End]:
    """Writes entries, in the transaction that the caller opened for writing.

    The end is signed anew only where the end that is there is one that a trusted key has signed: what somebody without
    the key has changed or cut off never gets a good signature.

    Returns:
        The end before and the end after.
    """
    before, signed, signature = read_head(connection)
    if not before.entries:
        notes = [_start(connection, before), *notes]
    rows, previous, at = [], before.last_hash, now_us()
    for number, note in enumerate(notes, before.entries + 1):
        detail = json.dumps(dict(note.detail), sort_keys=True, allow_nan=False, separators=(",", ":"))
        if len(detail) > MAX_DETAIL:
            raise ValueError(f"the detail of an audit entry has {len(detail):,} characters: {MAX_DETAIL:,} at most")
        entry = (number, at, scribe.actor, note.action, note.target, detail)
        digest = hash_of(previous, entry)
        rows.append(Entry(*entry, previous, digest).as_dict())
        previous = digest
    connection.execute(_INSERT, rows)
    after = End(before.chain_id, before.entries + len(rows), previous)
    values: dict[str, Any] = {"entries": after.entries, "last_hash": after.last_hash}
    if scribe.anchor is not None and _may_sign(scribe.anchor, before, signed, signature):
        made = scribe.anchor.sign(after)
        values |= {"signed_entries": after.entries, "signed_hash": after.last_hash}
        values |= {"key_id": made.key_id, "signature": made.value}
    connection.execute(_MOVE_HEAD, values)
    return before, after


def _may_sign(anchor: Anchor, before: End, signed: End, signature: Signature) -> bool:
    if not before.entries and not signature.value:
        return True
    if before == anchor.signed_last or (before == signed and is_signed(signed, signature, anchor.trusted())):
        return True
    _log.warning("the end of the audit log is not one that was signed with a known key: run `knownface audit verify`")
    return False


def _start(connection: Connection, before: End) -> Note:
    """The first entry says what the gallery held already."""
    there = {"subjects": count(connection, subjects), "samples": count(connection, samples)}
    now = read_meta(connection)
    return Note(STARTED, f"chain:{before.chain_id}", {"generation": now.generation, **there})


def remember(connection: Connection, anchor: Anchor, place: str, before: End, after: End) -> End | None:
    """What to note of the chain's end once the transaction is over; None where the last note does not fit the chain."""
    seen = anchor.seen(place)
    if seen is None or (seen.chain_id, seen.entries, seen.last_hash) == (
        before.chain_id,
        before.entries,
        before.last_hash,
    ):
        return after
    if seen.chain_id != after.chain_id or seen.entries > after.entries:
        return None
    then = connection.execute(sa.select(audit.c.entry_hash).where(audit.c.id == seen.entries)).scalar()
    return after if seen.entries == 0 or then == seen.last_hash else None


def entries(
    connection: Connection,
    *,
    after: int = 0,
    limit: int = 1000,
    since_us: int | None = None,
    until_us: int | None = None,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    newest: bool = False,
    before: int | None = None,
) -> list[Entry]:
    """Entries of the log, oldest first.

    Args:
        connection: A read transaction.
        after: Only those with a larger number.
        limit: How many at most.
        since_us: Not before.
        until_us: Before.
        actor: Only what this one did.
        action: Only this.
        subject: Only what concerns the subject of this id, as target or in the detail.
        newest: The newest of them, newest first.
        before: Only those with a smaller number.
    """
    order = audit.c.id.desc() if newest else audit.c.id
    query = sa.select(*(audit.c[name] for name in Entry.__slots__)).where(audit.c.id > after).order_by(order)
    if before is not None:
        query = query.where(audit.c.id < before)
    if since_us is not None:
        query = query.where(audit.c.at_us >= since_us)
    if until_us is not None:
        query = query.where(audit.c.at_us < until_us)
    if actor is not None:
        query = query.where(audit.c.actor == actor)
    if action is not None:
        query = query.where(audit.c.action == action)
    if subject is not None:
        query = query.where((audit.c.target == target_of(subject)) | audit.c.detail.contains(subject, autoescape=True))
    return [Entry(*row) for row in connection.execute(query.limit(limit))]


def actions(connection: Connection) -> list[str]:
    """Every action there is in the log, sorted."""
    return sorted(connection.execute(sa.select(audit.c.action).distinct()).scalars())
