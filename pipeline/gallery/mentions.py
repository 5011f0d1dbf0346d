"""Where a text stands in the truth: what is left of a name once nobody has it any more."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.gallery.schema import audit, consent, holds, samples, subjects
from pipeline.gallery.vault.columns import SealedText, is_null
from pipeline.gallery.vault.kept import sealer_of


def of_text(connection: Connection, text: str) -> list[str]:
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
