"""Dates and times on the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import typer


def until(text: str | None) -> datetime | None:
    """The end of a day (UTC), or the moment, that an ISO 8601 text names."""
    return _read(text, whole_day=timedelta(days=1))


def last_day(end: datetime) -> str:
    """An end as it was given: the last day, where it is the end of a day (UTC), else day and minute."""
    moment = end.astimezone(UTC)
    if (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0):
        return f"{moment - timedelta(days=1):%Y-%m-%d}"
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def since(text: str | None) -> datetime | None:
    """The beginning of a day (UTC), or the moment, that an ISO 8601 text names."""
    return _read(text, whole_day=timedelta(0))


def _read(text: str | None, whole_day: timedelta) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        moment = found if found.tzinfo else found.replace(tzinfo=UTC)
        return moment + whole_day if len(text) <= len("2027-12-31") else moment
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is no date: write 2027-12-31, or 2027-12-31T18:00:00+01:00") from error
