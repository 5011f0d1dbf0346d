"""Small JSON documents that belong to the gallery, one per kind and model: a calibration, the evidence for an index.

Every function that takes a connection runs inside a transaction that the caller opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import GalleryDamagedError, GalleryError
from pipeline.gallery.schema import documents
from pipeline.gallery.store import bump
from pipeline.gallery.times import now_us
from pipeline.gallery.vault.kept import kept_text, opened_text
from pipeline.gallery.vault.sealer import DOCUMENT

MAX_LENGTH = 1 << 20
"""Characters of a document's text; all of them are ASCII, so this is its size in bytes too."""
MAX_KEPT = 2 * MAX_LENGTH
"""Characters as it is kept: in an encrypted gallery a third more, and a little."""


def encode(kind: str, body: Mapping[str, Any]) -> str:
    """The document as it is stored: ASCII, keys in order.

    Raises:
        ValueError: The kind is empty, or the body is nothing that JSON knows (NaN and infinities are not).
        GalleryError: It is larger than `MAX_LENGTH`.
    """
    if not kind:
        raise ValueError("the kind of a document must not be empty")
    try:
        text = json.dumps(dict(body), allow_nan=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"a document must be what JSON knows: {error}") from error
    if len(text) > MAX_LENGTH:
        raise GalleryError(f"the document {kind!r} has {len(text):,} characters: {MAX_LENGTH:,} at most are kept")
    return text


def decode(text: str) -> dict[str, Any]:
    """The document of a stored text.

    Raises:
        ValueError: It is no JSON object, or too large.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"has {len(text):,} characters")
    try:
        body = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    if not isinstance(body, dict):
        raise ValueError("is no JSON object")
    return body


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"holds {constant}")


def _finite(number: str) -> float:
    value = float(number)
    return value if isfinite(value) else _refuse(number[:20])


def read(connection: Connection, kind: str, model_id: str) -> dict[str, Any] | None:
    """The document of this kind and model; None where there is none.

    Raises:
        GalleryDamagedError: It is no JSON object, or in an encrypted gallery somebody has changed it.
    """
    text = connection.execute(sa.select(documents.c.body).where(_is(kind, model_id))).scalar()
    if text is None:
        return None
    text = opened_text(connection, text, DOCUMENT, identity(kind, model_id))  # a threshold decides who is who
    try:
        return decode(text)
    except ValueError as error:
        raise GalleryDamagedError(
            f"the gallery's document {kind!r} is damaged (no JSON object): make it anew, "
            "or restore a backup with `knownface gallery restore FILE`"
        ) from error


def write(connection: Connection, kind: str, model_id: str, text: str) -> None:
    """Puts a document, encoded by `encode`, in place of the one there was."""
    bump(connection)
    values = {"body": kept_text(connection, text, DOCUMENT, identity(kind, model_id)), "created_us": now_us()}
    if not connection.execute(sa.update(documents).where(_is(kind, model_id)).values(values)).rowcount:
        connection.execute(sa.insert(documents).values(kind=kind, model_id=model_id, **values))


def drop(connection: Connection, kind: str, model_id: str) -> bool:
    """Removes a document; returns whether there was one."""
    if connection.execute(sa.select(documents.c.id).where(_is(kind, model_id))).scalar() is None:
        return False
    bump(connection)
    return bool(connection.execute(sa.delete(documents).where(_is(kind, model_id))).rowcount)


def identity(kind: str, model_id: str) -> str:
    """What the body of a document is bound to."""
    return f"{kind}/{model_id}"


def _is(kind: str, model_id: str) -> sa.ColumnElement[bool]:
    return (documents.c.kind == kind) & (documents.c.model_id == model_id)
