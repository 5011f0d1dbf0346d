"""Consents and legal holds in the truth. Every function runs inside a transaction that the caller opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pipeline.errors import LegalHoldError
from pipeline.gallery import names, store
from pipeline.gallery.schema import audit, consent, holds, samples, subjects
from pipeline.gallery.vault.columns import SealedText, is_null
from pipeline.gallery.vault.sealer import EVIDENCE, GIVEN_BY, REASON, by_name, kept_text, sealer_of

DueReason = Literal["consent_expired", "consent_withdrawn", "too_old"]


@dataclass(frozen=True, slots=True)
class NewConsent:
    """What somebody agrees to.

    Attributes:
        purpose: What for.
        basis: The legal basis, `consent` or another that the operator can name.
        expires: Until when (with its zone); None for no end.
        text_version: Which wording was agreed to.
        evidence: Where the signed paper or its copy is.
        given_by: Who agreed, where it is not the subject: a guardian.
    """

    purpose: str
    basis: str = "consent"
    expires: datetime | None = None
    text_version: str | None = None
    evidence: str | None = None
    given_by: str | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent as it is kept: what `NewConsent` has, and more.

    Attributes:
        id: Its number.
        given: When it was recorded (UTC).
        withdrawn: When it was withdrawn (UTC), or None.
        recorded_by: Who recorded it.
    """

    id: int
    purpose: str
    basis: str
    given: datetime
    expires: datetime | None
    withdrawn: datetime | None
    text_version: str | None
    evidence: str | None
    given_by: str | None
    recorded_by: str

    def holds_at(self, at: datetime) -> bool:
        """Whether it is in force at a time."""
        return self.withdrawn is None and (self.expires is None or at < self.expires)

    def as_dict(self) -> dict[str, Any]:
        """As it goes into JSON, times in ISO 8601."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


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


@dataclass(frozen=True, slots=True)
class Due:
    """Somebody whose data may not be kept any longer.

    Attributes:
        subject: Who.
        reason: Why.
        since: Since when (UTC).
        held: Whether a legal hold keeps them all the same.
    """

    subject: str
    reason: DueReason
    since: datetime
    held: bool


# --- consents ----------------------------------------------------------------------------------------------------


def give(connection: Connection, key: int, new: NewConsent, recorded_by: str) -> int | None:
    """Adds a consent to a subject; returns its number, None where the very same is in force already."""
    now = store.now_us()
    values = {
        "purpose": new.purpose,
        "basis": new.basis,
        "expires_us": _us(new.expires),
        "text_version": new.text_version,
        "evidence": new.evidence,
        "given_by": new.given_by,
    }
    there = sa.select(*(consent.c[name] for name in values)).where(consent.c.subject_id == key, _in_force(now))
    if any(row._asdict() == values for row in connection.execute(there)):
        return None
    row: dict[str, Any] = {"subject_id": key, "given_us": now, "recorded_by": recorded_by, **values}
    for name, place in (("evidence", EVIDENCE), ("given_by", GIVEN_BY)):
        row[name] = None if (text := row[name]) is None else kept_text(connection, text, place, str(now))
    made = connection.execute(sa.insert(consent).values(row).returning(consent.c.id))
    return int(made.scalar_one())


def of_subject(connection: Connection, key: int) -> list[Consent]:
    """The consents of a subject, oldest first."""
    rows = connection.execute(sa.select(consent).where(consent.c.subject_id == key).order_by(consent.c.id))
    return [_consent(row) for row in rows]


def withdraw(connection: Connection, key: int, purpose: str | None) -> list[int]:
    """Withdraws what is in force, for one purpose or for all; returns the numbers."""
    now = store.now_us()
    mine = (consent.c.subject_id == key) & _in_force(now)
    if purpose is not None:
        mine &= consent.c.purpose == purpose
    gone = [int(number) for number in connection.execute(sa.select(consent.c.id).where(mine)).scalars()]
    connection.execute(sa.update(consent).where(consent.c.id.in_(gone)).values(withdrawn_us=now))
    return gone


def has_one(connection: Connection, name: str, purpose: str | None) -> bool:
    """Whether a subject of this (normalised) name is there and has a consent in force, for a purpose or any."""
    query = sa.select(consent.c.id).join(subjects, subjects.c.id == consent.c.subject_id)
    query = query.where(subjects.c.name == name, _in_force(store.now_us()))
    if purpose is not None:
        query = query.where(consent.c.purpose == purpose)
    return connection.execute(query.limit(1)).first() is not None


def without(connection: Connection) -> list[str]:
    """The subjects that have no consent in force, by name."""
    some = sa.exists().where(consent.c.subject_id == subjects.c.id, _in_force(store.now_us()))
    found = connection.execute(sa.select(subjects.c.name).where(~some).order_by(subjects.c.folded)).scalars()
    return by_name(connection, found, str)


def move(connection: Connection, source: int, target: int) -> None:
    """Consents and hold of a subject go over to the one it is merged into; of two holds the longer one stays."""
    connection.execute(sa.update(consent).where(consent.c.subject_id == source).values(subject_id=target))
    if (longest := longest_hold(connection, holds.c.subject_id.in_([source, target]))) is not None:
        put_hold(connection, target, longest)


def _in_force(now: int) -> sa.ColumnElement[bool]:
    return consent.c.withdrawn_us.is_(None) & (consent.c.expires_us.is_(None) | (consent.c.expires_us > now))


# --- legal holds -------------------------------------------------------------------------------------------------


def hold(connection: Connection, key: int, until: datetime | None, reason: str, actor: str) -> None:
    """Places a legal hold on a subject, in place of the one there is."""
    connection.execute(sa.delete(holds).where(holds.c.subject_id == key))
    now = store.now_us()
    kept = kept_text(connection, reason, REASON, str(now))
    row = {"subject_id": key, "placed_us": now, "until_us": _us(until), "reason": kept, "actor": actor}
    connection.execute(sa.insert(holds).values(row))


def release(connection: Connection, key: int) -> bool:
    """Takes the hold off a subject; returns whether there was one."""
    return bool(connection.execute(sa.delete(holds).where(holds.c.subject_id == key)).rowcount)


def longest_hold(connection: Connection, which: sa.ColumnElement[bool]) -> Row[Any] | None:
    """The hold that lasts longest, of those that `which` says."""
    rows = connection.execute(sa.select(holds).where(which)).all()
    return max(rows, key=lambda row: (row.until_us is None, row.until_us or 0), default=None)


def of_owners(uids: Sequence[str]) -> sa.ColumnElement[bool]:
    """Those on the subjects of these random ids."""
    return holds.c.subject_id.in_(sa.select(subjects.c.id).where(subjects.c.uid.in_(uids)))


def put_hold(connection: Connection, key: int, row: Row[Any]) -> None:
    """The same hold on another subject, in place of the one there is."""
    connection.execute(sa.delete(holds).where(holds.c.subject_id == key))
    values = {name: value for name, value in row._asdict().items() if name != "id"}
    values["reason"] = kept_text(connection, row.reason, REASON, str(row.placed_us))
    connection.execute(sa.insert(holds).values({**values, "subject_id": key}))


def all_holds(connection: Connection) -> list[Hold]:
    """The holds in force, by name."""
    query = sa.select(subjects.c.name, holds).join(subjects, subjects.c.id == holds.c.subject_id)
    found = connection.execute(query.where(_held(store.now_us())).order_by(subjects.c.folded))
    rows = by_name(connection, found, attrgetter("name"))
    return [Hold(row.name, store.as_time(row.placed_us), _time(row.until_us), row.reason, row.actor) for row in rows]


def refuse_held(connection: Connection, uids: Iterable[str]) -> None:
    """Lets nobody erase what is held.

    Args:
        connection: The transaction.
        uids: The random ids of the subjects concerned.

    Raises:
        LegalHoldError: One of them is under a legal hold.
    """
    for chunk in store.chunks(uids):
        query = sa.select(subjects.c.name, holds.c.until_us).join(subjects, subjects.c.id == holds.c.subject_id)
        row = connection.execute(query.where(subjects.c.uid.in_(chunk), _held(store.now_us())).limit(1)).first()
        if row is not None:
            until = "" if row.until_us is None else f" until {store.as_time(row.until_us):%Y-%m-%d}"
            raise LegalHoldError(
                f"{names.shown(row.name)} is under a legal hold{until} and was not erased: "
                f"`knownface subject hold {names.shown(row.name)} --release` lifts it"
            )


def _held(now: int) -> sa.ColumnElement[bool]:
    return holds.c.until_us.is_(None) | (holds.c.until_us > now)


def mentions(connection: Connection, text: str) -> list[str]:
    """In which columns a text stands, whatever its case, in words."""
    places = {
        "the name of a subject": subjects.c.name,
        "the place of an enrolled photo": samples.c.source,
        "who recorded a consent": consent.c.recorded_by,
        "who gave a consent": consent.c.given_by,
        "the evidence of a consent": consent.c.evidence,
        "the reason of a legal hold": holds.c.reason,
        "who did something, in the audit log": audit.c.actor,
    }
    found = []
    for words, column in places.items():
        if sealer_of(connection.dialect) is None or not isinstance(column.type, SealedText):
            query = sa.select(column).where(column.icontains(text, autoescape=True)).limit(1)
            there = connection.execute(query).first() is not None
        else:
            values = connection.execute(sa.select(column).where(~is_null(column))).scalars()
            there = any(text.lower() in value.lower() for value in values)
        if there:
            found.append(words)
    return found


# --- retention ---------------------------------------------------------------------------------------------------


def due(connection: Connection, *, grace_us: int, max_age_us: int | None) -> list[Due]:
    """Who may not be kept any longer, by name.

    Somebody who never gave a consent is not due by consent; the last of several counts.

    Args:
        connection: A read transaction.
        grace_us: How long after the last consent has ended, in microseconds.
        max_age_us: How long after the newest sample was enrolled; None for ever.
    """
    now = store.now_us()
    newest = sa.select(sa.func.max(samples.c.created_us)).where(samples.c.subject_id == subjects.c.id)
    held = sa.exists().where(holds.c.subject_id == subjects.c.id, _held(now))
    query = sa.select(subjects.c.id, subjects.c.name, newest.scalar_subquery().label("newest"), held.label("held"))
    ends = _ends(connection)
    found = []
    rows = connection.execute(query.order_by(subjects.c.folded, subjects.c.name))
    for row in by_name(connection, rows, attrgetter("name")):
        ended, reason = ends.get(row.id, (None, "consent_expired"))
        if ended is not None and ended + grace_us <= now:
            found.append(Due(row.name, reason, store.as_time(ended), bool(row.held)))
        elif max_age_us is not None and row.newest is not None and row.newest + max_age_us <= now:
            found.append(Due(row.name, "too_old", store.as_time(row.newest + max_age_us), bool(row.held)))
    return found


_NEVER: tuple[int, DueReason] = (0, "consent_expired")


def _ends(connection: Connection) -> dict[int, tuple[int | None, DueReason]]:
    """When the last consent of each subject that has one ended or will end, and how; None for no end."""
    ends: dict[int, tuple[int | None, DueReason]] = {}
    query = sa.select(consent.c.subject_id, consent.c.expires_us, consent.c.withdrawn_us)
    for key, expires, withdrawn in connection.execute(query):
        moments: list[tuple[int, DueReason]] = []
        if withdrawn is not None:
            moments.append((withdrawn, "consent_withdrawn"))
        if expires is not None:
            moments.append((expires, "consent_expired"))
        known = ends.get(key, _NEVER)
        if not moments:
            ends[key] = (None, "consent_expired")
        elif known[0] is not None and min(moments)[0] >= known[0]:
            ends[key] = min(moments)
    return ends


def _consent(row: Row[Any]) -> Consent:
    return Consent(
        id=row.id,
        purpose=row.purpose,
        basis=row.basis,
        given=store.as_time(row.given_us),
        expires=_time(row.expires_us),
        withdrawn=_time(row.withdrawn_us),
        text_version=row.text_version,
        evidence=row.evidence,
        given_by=row.given_by,
        recorded_by=row.recorded_by,
    )


def _time(us: int | None) -> datetime | None:
    return None if us is None else store.as_time(us)


def _us(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1_000_000)
