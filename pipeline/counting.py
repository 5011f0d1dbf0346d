"""Numbers of things, in words."""

from __future__ import annotations


def counted(count: int, one: str, many: str | None = None) -> str:
    """So many of something: `1 file`, `1,234 files`.

    Args:
        count: How many.
        one: Its name, as for one.
        many: As for several, where that is not `one` with an s.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def people(count: int) -> str:
    """`1 person`, `1,234 people`."""
    return counted(count, "person", "people")
