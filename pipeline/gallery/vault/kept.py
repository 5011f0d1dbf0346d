"""Values as a connection has them: sealed where the gallery is encrypted, as they are where it is not.

A connection's engine keeps the sealer; what a value is bound to is the identity of its row, made here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from pipeline.errors import GalleryDamagedError
from pipeline.gallery.vault.sealer import Sealer, SealError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Dialect, Engine

_ATTRIBUTE = "knownface_sealer"
Row = TypeVar("Row")


def attach(engine: Engine, sealer: Sealer) -> None:
    """Makes everything over this engine, which nobody has used yet, go through the sealer."""
    setattr(engine.dialect, _ATTRIBUTE, sealer)


def sealer_of(dialect: Dialect) -> Sealer | None:
    """The sealer of the engine that a dialect belongs to; None where the gallery is not encrypted."""
    found: Sealer | None = getattr(dialect, _ATTRIBUTE, None)
    return found


def vector_identity(sample_id: int, model_id: str, subject_id: int) -> str:
    """What a template is bound to: the row of its sample, its model, and the row of whom it says who they are."""
    return f"{sample_id}/{model_id}/{subject_id}"


def name_identity(uid: str, subject_id: int) -> str:
    """What a name is bound to: the random id of its subject, and its row, which is what templates point to."""
    return f"{uid}/{subject_id}"


def kept(connection: Connection, value: bytes, column: str, identity: str) -> bytes:
    """Bytes as they are kept: sealed where the gallery is encrypted."""
    sealer = sealer_of(connection.dialect)
    return value if sealer is None else sealer.seal(value, column, identity)


def kept_text(connection: Connection, value: str, column: str, identity: str) -> str:
    """A text as it is kept."""
    sealer = sealer_of(connection.dialect)
    return value if sealer is None else sealer.seal_text(value, column, identity)


def opened(connection: Connection, value: bytes, column: str, identity: str) -> bytes:
    """Bytes that were kept.

    Raises:
        GalleryDamagedError: They cannot be opened.
    """
    sealer = sealer_of(connection.dialect)
    if sealer is None:
        return value
    try:
        return sealer.open(value, column, identity)
    except SealError as error:
        raise damaged(column, identity, error) from error


def opened_text(connection: Connection, value: str, column: str, identity: str) -> str:
    """A text that was kept. Errors as `opened`."""
    sealer = sealer_of(connection.dialect)
    if sealer is None:
        return value
    try:
        return sealer.open_text(value, column, identity)
    except SealError as error:
        raise damaged(column, identity, error) from error


def opened_or_empty(sealer: Sealer | None, value: bytes, column: str, identity: str) -> bytes:
    """Bytes that were kept; none where they cannot be opened, for what leaves out or reports a bad vector."""
    if sealer is None or not value:
        return value
    try:
        return sealer.open(value, column, identity)
    except SealError:
        return b""


def by_name(connection: Connection, rows: Iterable[Row], name: Callable[[Row], str]) -> list[Row]:
    """Rows in the order of their names, where the database cannot order them: it does not know the names."""
    from pipeline.gallery.names import folded  # noqa: PLC0415

    if sealer_of(connection.dialect) is None:
        return list(rows)
    return sorted(rows, key=lambda row: (folded(name(row)), name(row)))


def damaged(column: str, identity: str, error: SealError) -> GalleryDamagedError:
    """The named error for a value that cannot be opened."""
    return GalleryDamagedError(
        f"the gallery's database holds a value of {column} (row {identity}) that {error}: somebody has changed it; "
        "restore a backup with `knownface gallery restore FILE`"
    )
