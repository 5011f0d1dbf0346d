"""What every named error is."""

from __future__ import annotations

from typing import ClassVar


class KnownfaceError(Exception):
    """Base of every named error.

    Attributes:
        code: Stable name, as it stands in `{"error": code, "message": ...}`.
    """

    code: ClassVar[str] = "error"

    @property
    def message(self) -> str:
        """The one line shown to the user."""
        return str(self)

    def as_dict(self) -> dict[str, str]:
        """The JSON form: `{"error": code, "message": message}`."""
        return {"error": self.code, "message": self.message}
