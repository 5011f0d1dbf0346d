"""Which columns of which tables are sealed, what is not under a key yet, and a row sealed anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.gallery.schema import samples, subjects
from pipeline.gallery.vault.kept import damaged, name_identity
from pipeline.gallery.vault.sealer import (
    CROP,
    DOCUMENT,
    EVIDENCE,
    GIVEN_BY,
    NAME,
    REASON,
    RIGHTS,
    SOURCE,
    VECTOR,
    Sealer,
    SealError,
)


@dataclass(frozen=True)
class Part:
    """A table whose values are sealed: columns and their places, and what a row's seals are bound to.

    Attributes:
        owner: Also to the subject of its sample, as `subject_id`, which stands in another table.
    """

    table: sa.TableClause
    columns: dict[str, str]
    identity: tuple[str, ...]
    owner: bool = False

    def rows(self) -> sa.Select[Any]:
        """Its rows, with what their seals are bound to."""
        if not self.owner:
            return sa.select(self.table)
        mine = sa.select(samples.c.subject_id).where(samples.c.id == self.table.c.sample_id).scalar_subquery()
        return sa.select(self.table, mine.label("subject_id"))

    def behind(self, key_id: str) -> sa.ColumnElement[bool]:
        """Of a row: something in it is not under this key."""
        return sa.or_(*(_behind(self.table.c[name], key_id) for name in self.columns))


_NUMBERS = {"sample_id", "given_us", "placed_us"}


def _part(
    table: str, columns: dict[str, str], *identity: str, binary: tuple[str, ...] = (), owner: bool = False
) -> Part:
    made = [sa.column(name, sa.LargeBinary() if name in binary else sa.Text()) for name in columns]
    known = [sa.column(n, sa.BigInteger() if n in _NUMBERS else sa.Text()) for n in identity if n != "id"]
    bound = (*identity, "subject_id") if owner else identity
    return Part(sa.table(table, sa.column("id", sa.BigInteger()), *made, *known), columns, bound, owner)


PARTS = (
    _part("samples", {"source": SOURCE, "crop": CROP}, "uid", binary=("crop",)),
    _part("templates", {"vector": VECTOR}, "sample_id", "model_id", binary=("vector",), owner=True),
    _part("documents", {"body": DOCUMENT}, "kind", "model_id"),
    _part("consent", {"evidence": EVIDENCE, "given_by": GIVEN_BY}, "given_us"),
    _part("holds", {"reason": REASON}, "placed_us"),
    _part("subjects", {"rights": RIGHTS}, "uid", "id"),
)
"""All but the names of subjects."""
_NAMES = sa.table("subjects", sa.column("id", sa.BigInteger()), sa.column("name", sa.Text()), sa.column("folded"))


def _behind(column: sa.ColumnElement[Any], key_id: str) -> sa.ColumnElement[bool]:
    probe = Sealer("", key_id, {})
    prefix: bytes | str = probe.prefix if isinstance(column.type, sa.LargeBinary) else probe.text_prefix
    return column.is_not(None) & (sa.func.substr(column, 1, len(prefix)) != sa.literal(prefix, column.type))


def waiting(connection: Connection, key_id: str) -> int:
    """Rows with a value that is not under a key."""
    return sum(
        int(
            connection.execute(
                sa.select(sa.func.count()).select_from(part.table).where(part.behind(key_id))
            ).scalar_one()
        )
        for part in PARTS
    )


def seal_names(connection: Connection, sealer: Sealer) -> None:
    """Seals every name, and makes what it is found by, with the current key; whatever they were before."""
    rows = connection.execute(sa.select(subjects.c.id, subjects.c.uid, subjects.c.name)).all()
    changes = [
        {
            "row": row.id,
            "blind": sealer.blind(row.name),
            "sealed": sealer.seal_text(row.name, NAME, name_identity(row.uid, row.id)),
        }
        for row in rows
    ]
    if changes:
        values: dict[str, Any] = {"name": sa.bindparam("blind"), "folded": sa.bindparam("sealed")}
        connection.execute(sa.update(_NAMES).where(_NAMES.c.id == sa.bindparam("row")).values(values), changes)


def resealed(sealer: Sealer, part: Part, row: Any) -> dict[str, Any]:
    """The values of a row under the current key, by the names of their columns behind `new_`.

    Raises:
        GalleryDamagedError: One of them cannot be opened.
    """
    identity = "/".join(str(getattr(row, name)) for name in part.identity)
    made: dict[str, Any] = {}
    for name, place in part.columns.items():
        value = getattr(row, name)
        try:
            if isinstance(value, bytes):
                value = sealer.seal(sealer.open(value, place, identity), place, identity)
            elif value is not None:
                value = sealer.seal_text(sealer.open_text(value, place, identity), place, identity)
        except SealError as error:
            raise damaged(place, identity, error) from error
        made[f"new_{name}"] = value
    return made
