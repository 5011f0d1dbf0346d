"""Consents in the truth. Every function runs inside a transaction that the caller opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pipeline.gallery import bound_rights, times
from pipeline.gallery.schema import consent, samples, subjects
from pipeline.gallery.vault.kept import by_name, kept_text
from pipeline.gallery.vault.sealer import EVIDENCE, GIVEN_BY


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


def give(connection: Connection, key: int, new: NewConsent, recorded_by: str) -> int | None:
    """Adds a consent to a subject; returns its number, None where the very same is in force already."""
    bound_rights.require(connection, [key])
    now = times.now_us()
    values = {
        "purpose": new.purpose,
        "basis": new.basis,
        "expires_us": times.maybe_us(new.expires),
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
    made = int(connection.execute(sa.insert(consent).values(row).returning(consent.c.id)).scalar_one())
    bound_rights.bind(connection, [key])
    return made


def of_subject(connection: Connection, key: int) -> list[Consent]:
    """The consents of a subject, oldest first."""
    rows = connection.execute(sa.select(consent).where(consent.c.subject_id == key).order_by(consent.c.id))
    return [_consent(row) for row in rows]


def withdraw(connection: Connection, key: int, purpose: str | None) -> list[int]:
    """Withdraws what is in force, for one purpose or for all; returns the numbers."""
    bound_rights.require(connection, [key])
    now = times.now_us()
    mine = (consent.c.subject_id == key) & _in_force(now)
    if purpose is not None:
        mine &= consent.c.purpose == purpose
    gone = [int(number) for number in connection.execute(sa.select(consent.c.id).where(mine)).scalars()]
    connection.execute(sa.update(consent).where(consent.c.id.in_(gone)).values(withdrawn_us=now))
    bound_rights.bind(connection, [key])
    return gone


def has_one(connection: Connection, name: str, purpose: str | None) -> bool:
    """Whether a subject of this (normalised) name is there and has a consent in force, for a purpose or any."""
    bound_rights.require(
        connection, connection.execute(sa.select(subjects.c.id).where(subjects.c.name == name)).scalars()
    )
    query = sa.select(consent.c.id).join(subjects, subjects.c.id == consent.c.subject_id)
    query = query.where(subjects.c.name == name, _in_force(times.now_us()))
    if purpose is not None:
        query = query.where(consent.c.purpose == purpose)
    return connection.execute(query.limit(1)).first() is not None


def without(connection: Connection) -> list[str]:
    """The subjects that have no consent in force, by name."""
    bound_rights.require(connection)
    some = sa.exists().where(consent.c.subject_id == subjects.c.id, _in_force(times.now_us()))
    found = connection.execute(sa.select(subjects.c.name).where(~some).order_by(subjects.c.folded)).scalars()
    return by_name(connection, found, str)


def take_back(connection: Connection, numbers: Sequence[int], sample_uids: Sequence[str]) -> dict[int, str]:
    """Removes consents that were recorded with samples which are about to be removed, of the same subjects only.

    One that other samples have come after stays.

    Returns:
        Number of each that was removed, and the random id of its subject.
    """
    owners = sa.select(samples.c.subject_id).where(samples.c.uid.in_(sample_uids))
    keys = connection.execute(owners).scalars().all()
    bound_rights.require(connection, keys)
    later = (samples.c.subject_id == consent.c.subject_id) & (samples.c.created_us >= consent.c.given_us)
    rests = sa.exists().where(later, samples.c.uid.not_in(sample_uids))
    query = sa.select(consent.c.id, subjects.c.uid).join(subjects, subjects.c.id == consent.c.subject_id)
    query = query.where(consent.c.id.in_(numbers), consent.c.subject_id.in_(owners), ~rests)
    gone = {int(number): str(uid) for number, uid in connection.execute(query)}
    connection.execute(sa.delete(consent).where(consent.c.id.in_(list(gone))))
    bound_rights.bind(connection, keys)
    return gone


def move(connection: Connection, source: int, target: int) -> None:
    """Consents of a subject go over to the one it is merged into."""
    bound_rights.require(connection, [source, target])
    connection.execute(sa.update(consent).where(consent.c.subject_id == source).values(subject_id=target))
    bound_rights.bind(connection, [source, target])


def _in_force(now: int) -> sa.ColumnElement[bool]:
    return consent.c.withdrawn_us.is_(None) & (consent.c.expires_us.is_(None) | (consent.c.expires_us > now))


def _consent(row: Row[Any]) -> Consent:
    return Consent(
        id=row.id,
        purpose=row.purpose,
        basis=row.basis,
        given=times.as_time(row.given_us),
        expires=times.maybe_time(row.expires_us),
        withdrawn=times.maybe_time(row.withdrawn_us),
        text_version=row.text_version,
        evidence=row.evidence,
        given_by=row.given_by,
        recorded_by=row.recorded_by,
    )
