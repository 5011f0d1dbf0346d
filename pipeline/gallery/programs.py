"""What somebody has made the database do by itself: triggers, rules and policies for rows that are none of ours.

One of them can keep what is removed, copy it elsewhere, or leave rows out of what is read. Nothing that Knownface asks
for afterwards would show it, so what is removed is looked for again, in the same transaction.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import GalleryDamagedError
from pipeline.gallery.records import Problem
from pipeline.gallery.schema import APPEND_ONLY, metadata

_SQLITE = sa.text("SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'view') ORDER BY name")
_SERVER = sa.text(
    """SELECT 'trigger', t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND c.relname = ANY(:tables) AND c.relnamespace = current_schema()::regnamespace
    UNION ALL SELECT 'rule', r.rulename, c.relname FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
        WHERE c.relname = ANY(:tables) AND c.relnamespace = current_schema()::regnamespace
    UNION ALL SELECT 'policy for rows', p.polname, c.relname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        WHERE c.relname = ANY(:tables) AND c.relnamespace = current_schema()::regnamespace
    ORDER BY 3, 2"""
)
_OURS_ON_SERVER = {("trigger", "audit_no_change", "audit"), ("trigger", "audit_no_truncate", "audit")}


def foreign(connection: Connection) -> list[str]:
    """What there is, in words: kind and name."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(_SQLITE).all()
        return [f"{kind} {name!r}" for kind, name, sql in rows if kind != "trigger" or APPEND_ONLY.get(name) != sql]
    if connection.dialect.name == "postgresql":
        rows = connection.execute(_SERVER, {"tables": list(metadata.tables)}).all()
        return [
            f"{kind} {name!r} of {table}" for kind, name, table in rows if (kind, name, table) not in _OURS_ON_SERVER
        ]
    return []


def problems(connection: Connection) -> list[Problem]:
    """Each as a problem; nothing is repaired, since it may be there on purpose."""
    text = "the database has a {} that Knownface has not made: it can keep or change what is written; drop it"
    return [Problem("foreign_program", text.format(one)) for one in foreign(connection)]


def delete(connection: Connection, table: sa.FromClause, which: sa.ColumnElement[bool]) -> int:
    """Deletes rows and looks whether they are gone; returns how many there were.

    Raises:
        GalleryDamagedError: The database keeps them, so that nothing is removed.
    """
    gone = connection.execute(sa.delete(table).where(which)).rowcount  # type: ignore[arg-type]
    if connection.execute(sa.select(sa.literal(1)).select_from(table).where(which).limit(1)).first() is not None:
        raise GalleryDamagedError(
            f"the database keeps what is removed from its table {table.description}; nothing was removed from the "
            "gallery: `knownface gallery check` says which trigger or rule does it"
        )
    return int(gone)


def require_none(connection: Connection) -> None:
    """Lets pass a file that does nothing by itself; a server may have triggers for reasons of its own.

    Raises:
        GalleryDamagedError: It could keep a copy of what is removed.
    """
    if connection.dialect.name == "sqlite" and (found := foreign(connection)):
        raise GalleryDamagedError(
            f"the gallery's database has a {found[0]} that Knownface has not made, which could keep what is removed; "
            "nothing was removed from the gallery: drop it"
        )
