"""Types of columns that are checked when they are read.

A column of SQLite keeps a value of any kind, so a damaged or hostile file can hold bytes where a name should be. What
comes out of the database is of the kind that the schema says, or it is an error with a name. A server checks by itself
what it stores.
"""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Float, Integer, LargeBinary, String, Text
from sqlalchemy.engine import Dialect

from pipeline.errors import GalleryDamagedError

LANDMARK_BYTES = 40  # 5 x 2 float32


class _Checked:
    kinds: ClassVar[tuple[type, ...]] = ()
    storage: ClassVar[tuple[str, ...]] = ()
    """What SQLite's typeof() may say."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        if dialect.name == "sqlite":
            return self._checked
        made: Callable[[Any], Any] | None = super().result_processor(dialect, coltype)  # type: ignore[misc]
        return made

    def _checked(self, value: Any) -> Any:
        if type(value) not in self.kinds:
            raise GalleryDamagedError(
                f"the gallery's database holds {_shown(value)} where {_shown(self.kinds[0]())} belongs: "
                "`knownface gallery check` says where; restore a backup with `knownface gallery restore FILE`"
            )
        return value


def _shown(value: Any) -> str:
    known = {bytes: "bytes", str: "a text", int: "a whole number", float: "a number", NoneType: "nothing"}
    return known[type(value)]


class CheckedText(_Checked, Text):
    """A text of any length."""

    kinds, storage = (str,), ("text",)


class CheckedString(_Checked, String):
    """A text of limited length."""

    kinds, storage = (str,), ("text",)


class CheckedWhole(_Checked, Integer):
    """A whole number."""

    kinds, storage = (int,), ("integer",)


class CheckedBigWhole(_Checked, BigInteger):
    """A whole number of 64 bits."""

    kinds, storage = (int,), ("integer",)


class CheckedTextOrNull(_Checked, Text):
    """A text of any length, or nothing."""

    kinds, storage = (str, NoneType), ("text", "null")


class CheckedBigWholeOrNull(_Checked, BigInteger):
    """A whole number of 64 bits, or nothing."""

    kinds, storage = (int, NoneType), ("integer", "null")


class CheckedNumber(_Checked, Float[float]):
    """A number."""

    kinds, storage = (float, int), ("real", "integer")


class CheckedNumberOrNull(_Checked, Float[float]):
    """A number, or nothing."""

    kinds, storage = (float, int, NoneType), ("real", "integer", "null")


class CheckedBytes(_Checked, LargeBinary):
    """Bytes."""

    kinds, storage = (bytes,), ("blob",)


class CheckedBytesOrNull(_Checked, LargeBinary):
    """Bytes, or nothing."""

    kinds, storage = (bytes, NoneType), ("blob", "null")


class LandmarkBytes(CheckedBytes):
    """5 x 2 float32."""

    def _checked(self, value: Any) -> Any:
        if len(super()._checked(value)) != LANDMARK_BYTES:
            raise GalleryDamagedError(
                f"the gallery's database holds landmarks of {len(value)} bytes instead of {LANDMARK_BYTES}: "
                "`knownface gallery check` says where; restore a backup with `knownface gallery restore FILE`"
            )
        return value


class BytesOrEmpty(CheckedBytes):
    """Bytes; anything else is read as none, for what leaves out or reports a bad vector instead of stopping at it."""

    def _checked(self, value: Any) -> Any:
        return value if type(value) is bytes else b""
