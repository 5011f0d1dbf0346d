"""The subjects in the order of their names; in an encrypted gallery, where the database cannot tell it."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.gallery import names
from pipeline.gallery.records import SubjectInfo
from pipeline.gallery.schema import samples, subjects
from pipeline.gallery.store import chunks, read_meta
from pipeline.gallery.times import as_time
from pipeline.gallery.vault.kept import sealer_of
from pipeline.gallery.vault.sealer import Sealer


def list_subjects(
    connection: Connection, limit: int | None, offset: int, search: str | None, after: str | None = None
) -> list[SubjectInfo]:
    """The subjects, ordered by folded name; `search` keeps the names that contain it, whatever its case.

    Those behind the name `after`, where one is given.
    """
    mine = sa.select(sa.func.count()).where(samples.c.subject_id == subjects.c.id).scalar_subquery()
    query = sa.select(subjects.c.name, mine, subjects.c.created_us).order_by(subjects.c.folded, subjects.c.name)
    if (sealer := sealer_of(connection.dialect)) is not None:
        return _list_sealed(connection, sealer, limit, offset, search, after)
    if search:
        query = query.where(subjects.c.folded.contains(names.folded(search.strip()), autoescape=True))
    if after is not None:
        query = query.where(sa.tuple_(subjects.c.folded, subjects.c.name) > (names.folded(after), after))
    rows = connection.execute(query.limit(limit).offset(offset))
    return [SubjectInfo(name, number, as_time(created)) for name, number, created in rows]


def _list_sealed(
    connection: Connection, sealer: Sealer, limit: int | None, offset: int, search: str | None, after: str | None
) -> list[SubjectInfo]:
    """As `list_subjects` in an encrypted gallery: every name is opened, the database can neither search nor order."""
    found = _all_names(connection, sealer)
    if search:
        wanted = names.folded(search.strip())
        found = [row for row in found if wanted in row.folded]
    if after is not None:
        behind = (names.folded(after), after)
        found = found[bisect_right(found, behind, key=lambda row: (row.folded, row.name)) :]
    page = found[offset:] if limit is None else found[offset : offset + limit]
    counts: dict[int, int] = {}
    for chunk in chunks(row.id for row in page):
        query = sa.select(samples.c.subject_id, sa.func.count()).where(samples.c.subject_id.in_(chunk))
        counts.update((key, int(n)) for key, n in connection.execute(query.group_by(samples.c.subject_id)))
    return [SubjectInfo(row.name, counts.get(row.id, 0), as_time(row.created_us)) for row in page]


class _Known(NamedTuple):
    """A subject as it is listed."""

    folded: str
    name: str
    id: int
    created_us: int


def _all_names(connection: Connection, sealer: Sealer) -> list[_Known]:
    """Every subject, in the order of names; opened once for each state of the gallery."""

    def read() -> list[_Known]:
        rows = connection.execute(sa.select(subjects.c.name, subjects.c.id, subjects.c.created_us))
        return sorted(_Known(names.folded(name), name, key, created) for name, key, created in rows)

    return sealer.listing.of(read_meta(connection), read)
