"""Ends of consents, holds and keys on the command line: the day that was given is the day that is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from app.cli.when import last_day, until


def test_an_end_is_shown_as_the_day_that_was_given() -> None:
    end = until("2027-12-31")
    assert end == datetime(2028, 1, 1, tzinfo=UTC)
    assert last_day(end) == "2027-12-31"


def test_a_moment_is_shown_with_its_minute() -> None:
    moment = datetime(2027, 12, 31, 18, 30, tzinfo=timezone(timedelta(hours=1)))
    assert last_day(moment) == "2027-12-31 17:30 UTC"
