"""Values in the truth that no gallery has written: of another kind, of another length, or no UTF-8."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import SubjectNameError
from pipeline.gallery import names
from pipeline.gallery.column_types import LANDMARK_BYTES, LandmarkBytes
from pipeline.gallery.documents import MAX_KEPT, decode, identity
from pipeline.gallery.records import Problem
from pipeline.gallery.schema import LATER_COLUMNS, consent, documents, holds, meta, samples, subjects, templates, vault
from pipeline.gallery.times import LAST_US
from pipeline.gallery.vault.kept import sealer_of
from pipeline.gallery.vault.sealer import DOCUMENT, SealError, is_sealed

_IDS = (subjects.c.uid, samples.c.uid, samples.c.photo_sha256)
_SHOWN = 20  # rows of one table that are told one by one
_ADVICE = "restore a backup with `knownface gallery restore FILE`"


def bad_values(connection: Connection) -> list[Problem]:
    """Names, landmarks, boxes and the rest that cannot be read as what they are; `bad_vectors` looks at the vectors.

    Nothing is repaired: what stood there before is not known.
    """
    problems = [] if connection.dialect.name != "sqlite" else _bad_meta(connection)
    inspector = sa.inspect(connection)
    for table in (subjects, samples, templates, documents, consent, holds):
        if not inspector.has_table(table.name):  # a backup of an older schema
            continue
        found: dict[int, list[str]] = {}
        wrong = (*_wrong(connection, table), *_undecodable(connection, table))
        for key, column in wrong if table is not documents else (*wrong, *_no_json(connection)):
            found.setdefault(key, []).append(column)
        for key, columns in sorted(found.items())[:_SHOWN]:
            text = f"row {key} of {table.name} holds what cannot be its {', '.join(dict.fromkeys(columns))}; {_ADVICE}"
            problems.append(Problem("bad_value", text))
        if len(found) > _SHOWN:
            problems.append(Problem("bad_value", f"and {len(found) - _SHOWN} more rows of {table.name}; {_ADVICE}"))
    return problems


def _bad_meta(connection: Connection) -> list[Problem]:
    """Numbers that do not count generations; of the two others only what a comparison can stumble over."""
    counts = [_raw(column) for column in (meta.c.generation, meta.c.removal, meta.c.horizon)]
    rows = connection.execute(sa.select(_raw(meta.c.gallery_id), *counts)).all()
    for gallery_id, generation, removal, horizon in rows:
        numbers = (generation, removal, horizon)
        whole = type(gallery_id) is str and all(type(number) is int for number in numbers)
        if whole and 0 <= removal <= generation < 1 << 62 and 0 <= horizon <= generation:
            continue
        return [Problem("bad_value", f"the gallery's own number and generation are damaged; {_ADVICE}")]
    return [] if len(rows) == 1 else [Problem("bad_value", f"the gallery's own number is missing; {_ADVICE}")]


def _raw(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.type_coerce(column, sa.types.NullType())


def _wrong(connection: Connection, table: sa.Table) -> Iterator[tuple[int, str]]:
    """Row and column of what is of a wrong kind or length, or not finite, in one walk through the table."""
    conditions = {
        column.name: fault for column in _there(connection, table) if (fault := _fault(connection, column)) is not None
    }
    flags = [sa.case((fault, 1), else_=0).label(f"bad_{name}") for name, fault in conditions.items()]
    if not flags:
        return
    query = sa.select(_raw(table.c.id), *flags).where(sa.or_(*conditions.values()))
    for key, *bad in connection.execute(query):
        yield from ((key, name) for name, flag in zip(conditions, bad, strict=True) if flag)


def _there(connection: Connection, table: sa.Table) -> list[sa.Column[Any]]:
    """The columns that the table has in this database, which may be a backup of an older schema."""
    revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return [column for column in table.c if str(revision) >= LATER_COLUMNS.get(f"{table.name}.{column.name}", "")]


def _fault(connection: Connection, column: sa.Column[Any]) -> sa.ColumnElement[bool] | None:
    faults: list[sa.ColumnElement[bool]] = []
    if column is templates.c.vector:
        return None
    kinds = getattr(column.type, "storage", ())
    if kinds and connection.dialect.name == "sqlite":
        faults.append(sa.func.typeof(column).not_in(kinds))
        if "real" in kinds:
            faults.append(sa.func.abs(_raw(column)) > sys.float_info.max)
    if column.name.endswith("_us"):
        faults.append(~_raw(column).between(0, LAST_US))
    if isinstance(column.type, LandmarkBytes):
        faults.append(sa.func.length(column) != LANDMARK_BYTES)
    if column is documents.c.body:
        faults.append(sa.func.length(column) > MAX_KEPT)
    if column is subjects.c.name:
        faults.append(~sa.func.length(column).between(1, names.MAX_LENGTH))
    if (
        any(column is one for one in _IDS) and connection.dialect.name == "sqlite"
    ):  # they become names of files in an export
        faults.append(_raw(column).op("GLOB")("*[^0-9A-Za-z_-]*"))
    return sa.or_(*faults) if faults else None


def _undecodable(connection: Connection, table: sa.Table) -> Iterator[tuple[int, str]]:
    """Row and column of texts whose bytes are no UTF-8, which SQLite keeps as they come, and of names none can have."""
    if connection.dialect.name != "sqlite":
        return
    texts = [column for column in _there(connection, table) if getattr(column.type, "storage", ()) == ("text",)]
    blobs = [sa.cast(column, sa.LargeBinary).label(f"bytes_{column.name}") for column in texts]
    query = sa.select(_raw(table.c.id), *blobs).execution_options(yield_per=4096)
    for key, *values in connection.execute(query):
        for column, value in zip(texts, values, strict=True):
            try:
                text = (value or b"").decode()
                if column is subjects.c.name and names.normalise(text) != text:
                    yield key, column.name
            except (UnicodeDecodeError, SubjectNameError):
                yield key, column.name


def _no_json(connection: Connection) -> Iterator[tuple[int, str]]:
    """Row and column of documents that are no JSON object; what cannot be one for its kind or length is not read."""
    body: sa.ColumnElement[Any] = _raw(documents.c.body)
    small = sa.func.length(body) <= MAX_KEPT
    if connection.dialect.name == "sqlite":
        small &= sa.func.typeof(body) == "text"
        body = sa.cast(body, sa.LargeBinary)
    sealer, encrypted = sealer_of(connection.dialect), _is_encrypted(connection)
    query = sa.select(_raw(documents.c.id), body).where(small)
    if sealer is not None:
        places = (documents.c.kind, documents.c.model_id)
        query = query.add_columns(*(sa.cast(column, sa.LargeBinary) for column in places))
    for row in connection.execute(query):
        key, kept = row[0], row[1]
        try:
            text = kept if isinstance(kept, str) else kept.decode()
            if sealer is not None:
                text = sealer.open_text(text, DOCUMENT, identity(*(bytes(row[number]).decode() for number in (2, 3))))
            elif encrypted and is_sealed(text):  # a backup is looked at without its key
                continue
            decode(text)
        except (ValueError, SealError):  # a text that is no UTF-8 is one too
            yield key, documents.c.body.name


def _is_encrypted(connection: Connection) -> bool:
    known = sa.inspect(connection).has_table(vault.name)
    return known and connection.execute(sa.select(vault.c.id)).first() is not None
