"""Times as the truth keeps them: microseconds since 1970-01-01 UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from pipeline.errors import GalleryDamagedError

LAST_US = 253_402_300_799_000_000
"""The last second of the year 9999: no calendar here goes further."""


def now_us() -> int:
    """Now."""
    return time.time_ns() // 1000


def as_time(us: int) -> datetime:
    """A time with its zone.

    Raises:
        GalleryDamagedError: No calendar goes that far.
    """
    try:
        return datetime.fromtimestamp(us / 1e6, tz=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise GalleryDamagedError(f"the gallery's database holds a time that cannot be one: {us}") from error


def maybe_time(us: int | None) -> datetime | None:
    """A time, or none."""
    return None if us is None else as_time(us)


def maybe_us(at: datetime | None) -> int | None:
    """The microseconds of a time with its zone, or none."""
    return None if at is None else round(at.timestamp() * 1_000_000)
