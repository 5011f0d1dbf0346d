"""Who may not be kept any longer. Functions run inside a transaction that the caller opened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.gallery import bound_rights, legal_holds, times
from pipeline.gallery.schema import consent, holds, samples, subjects
from pipeline.gallery.vault.kept import by_name

DueReason = Literal["consent_expired", "consent_withdrawn", "too_old"]


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


def due(connection: Connection, *, grace_us: int, max_age_us: int | None) -> list[Due]:
    """Who may not be kept any longer, by name.

    Somebody who never gave a consent is not due by consent; the last of several counts.

    Args:
        connection: A read transaction.
        grace_us: How long after the last consent has ended, in microseconds.
        max_age_us: How long after the newest sample was enrolled; None for ever.
    """
    bound_rights.require(connection)
    now = times.now_us()
    newest = sa.select(sa.func.max(samples.c.created_us)).where(samples.c.subject_id == subjects.c.id)
    held = sa.exists().where(holds.c.subject_id == subjects.c.id, legal_holds.in_force(now))
    query = sa.select(subjects.c.id, subjects.c.name, newest.scalar_subquery().label("newest"), held.label("held"))
    ends = _ends(connection)
    found = []
    rows = connection.execute(query.order_by(subjects.c.folded, subjects.c.name))
    for row in by_name(connection, rows, attrgetter("name")):
        ended, reason = ends.get(row.id, (None, "consent_expired"))
        if ended is not None and ended + grace_us <= now:
            found.append(Due(row.name, reason, times.as_time(ended), bool(row.held)))
        elif max_age_us is not None and row.newest is not None and row.newest + max_age_us <= now:
            found.append(Due(row.name, "too_old", times.as_time(row.newest + max_age_us), bool(row.held)))
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
