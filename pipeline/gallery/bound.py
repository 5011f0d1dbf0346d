"""In an encrypted gallery: names and templates are bound to the row of their subject.

Who may write the database but has no key could else give a template to somebody else by changing one number, and be
taken for them. A name does not open in another row, and a template not for another subject.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.gallery import bound_rights, names
from pipeline.gallery.schema import samples, subjects, templates
from pipeline.gallery.vault.kept import name_identity, opened, opened_or_empty, sealer_of, vector_identity
from pipeline.gallery.vault.sealer import NAME, VECTOR

_SET_SEALS = (
    sa.update(subjects)
    .where(subjects.c.id == sa.bindparam("row"))
    .values(folded=sa.bindparam("sealed"), rights=sa.bindparam("agreed"))
)
_SET_VECTOR = sa.update(templates).where(templates.c.id == sa.bindparam("row")).values(vector=sa.bindparam("sealed"))


def folded(connection: Connection, name: str, uid: str, key: int) -> str:
    """What the column `folded` of a subject holds: the folded name; in an encrypted gallery the name, sealed.

    The column `name` has the name, or what it is found by, which the column's type makes of it.
    """
    sealer = sealer_of(connection.dialect)
    return names.folded(name) if sealer is None else sealer.seal_text(name, NAME, name_identity(uid, key))


def seal_names(connection: Connection, named: Mapping[str, str]) -> None:
    """Seals the names of subjects that were just made, where the gallery is encrypted, and that they agreed to nothing.

    Args:
        connection: In a transaction.
        named: Name by the subject's random id; few enough for one IN (...).
    """
    sealer = sealer_of(connection.dialect)
    if sealer is None:
        return
    rows = connection.execute(sa.select(subjects.c.uid, subjects.c.id).where(subjects.c.uid.in_(named))).all()
    values = [
        {
            "row": key,
            "sealed": folded(connection, named[uid], uid, key),
            "agreed": bound_rights.of_nobody(sealer, uid, key),
        }
        for uid, key in rows
    ]
    connection.execute(_SET_SEALS, values)


def bind(connection: Connection, which: sa.ColumnElement[bool], to_key: int) -> None:
    """Seals the templates of samples for the subject they are about to be moved to, where the gallery is encrypted.

    One that does not open for the subject it has now stays as it is, and opens nowhere.
    """
    sealer = sealer_of(connection.dialect)
    if sealer is None:
        return
    values = []
    for row, kept, model_id, sample, owner in _templates(connection, which):
        if plain := opened_or_empty(sealer, kept, VECTOR, vector_identity(sample, model_id, owner)):
            place = vector_identity(sample, model_id, to_key)
            values.append({"row": row, "sealed": sealer.seal(plain, VECTOR, place)})
    if values:
        connection.execute(_SET_VECTOR, values)


def require_owners(connection: Connection, which: sa.ColumnElement[bool]) -> None:
    """Refuses samples that were given to another subject from outside, where the gallery is encrypted.

    Raises:
        GalleryDamagedError: A template of one of them does not open for its subject.
    """
    if sealer_of(connection.dialect) is None:
        return
    for _, kept, model_id, sample, owner in _templates(connection, which):
        opened(connection, kept, VECTOR, vector_identity(sample, model_id, owner))


def _templates(connection: Connection, which: sa.ColumnElement[bool]) -> Sequence[Any]:
    """Row, sealed vector and model of the templates of samples; rows of the sample and of its subject."""
    query = sa.select(templates.c.id, templates.c.vector, templates.c.model_id, samples.c.id, samples.c.subject_id)
    return connection.execute(query.join(samples, samples.c.id == templates.c.sample_id).where(which)).all()
