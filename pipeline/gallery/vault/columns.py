"""Types of the columns that hold a text about a person: open to whoever has the key, whatever the query.

A query for such a column gets the identity of the row with the sealed text, as one text, and takes it apart again. In a
gallery that is not encrypted the column is read as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from pipeline.gallery.column_types import CheckedText, CheckedTextOrNull
from pipeline.gallery.vault.kept import damaged, sealer_of
from pipeline.gallery.vault.sealer import NAME, SealError


class _WithIdentity(FunctionElement[Any]):
    """A column; in an encrypted gallery what is sealed, a line feed, and the row's identity."""

    inherit_cache = True
    name = "with_identity"

    def __init__(self, column: Any, identity: Any, sealed: Any) -> None:
        super().__init__(column, identity, sealed)
        self.type = column.type


@compiles(_WithIdentity)
def _render(element: _WithIdentity, compiler: SQLCompiler, **_: Any) -> str:
    column, identity, sealed = element.clauses
    if sealer_of(compiler.dialect) is None:
        return compiler.process(column)
    return f"({compiler.process(sealed)} || '\n' || CAST({compiler.process(identity)} AS TEXT))"


class SealedText(TypeDecorator[str]):
    """A text that is sealed by whoever writes it, and opened when it is read.

    Args:
        place: The column, as the seal knows it.
        identity: The column whose value the seal is bound to.
    """

    impl: Any = CheckedText
    cache_ok = True
    storage: tuple[str, ...] = ("text",)

    def __init__(self, place: str, identity: str) -> None:
        super().__init__()
        self.place, self.identity = place, identity

    def column_expression(self, column: Any) -> Any:
        """The column as it is read."""
        return _WithIdentity(column, column.table.c[self.identity], column)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Opens what was read."""
        sealer, place = sealer_of(dialect), self.place
        if sealer is None:
            return super().result_processor(dialect, coltype)

        def opened(value: str | None) -> str | None:
            if value is None:
                return None
            text, _, identity = value.rpartition("\n")
            try:
                return sealer.open_text(text, place, identity)
            except SealError as error:
                raise damaged(place, identity, error) from error

        return opened


class SealedTextOrNull(SealedText):
    """As `SealedText`, or nothing."""

    impl = CheckedTextOrNull
    cache_ok = True
    storage = ("text", "null")


class SubjectName(SealedText):
    """The name of a subject. In an encrypted gallery the column holds what it is found by, `folded` the sealed name."""

    cache_ok = True

    def __init__(self) -> None:
        super().__init__(NAME, "uid")

    def column_expression(self, column: Any) -> Any:
        """The column as it is read."""
        known = column.table.c
        identity = (
            sa.type_coerce(known.uid, sa.Text).concat(sa.literal_column("'/'")).concat(sa.cast(known.id, sa.Text))
        )
        return _WithIdentity(column, identity, known.folded)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """What a name is compared with, and kept as."""
        sealer = sealer_of(dialect)
        return super().bind_processor(dialect) if sealer is None else _blinded(sealer.blind)


def _blinded(blind: Callable[[str], str]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else blind(value)


def is_null(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Whether there is nothing in a column, whatever its type."""
    return sa.type_coerce(column, sa.types.NullType()).is_(None)
