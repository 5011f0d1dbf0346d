"""Numbers and days on the command line, as people write them."""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.context import dumps
from app.cli.when import last_day, until


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.7804683446884155, "0.78046834"),
        (0.30000001192092896, "0.3"),
        (0.1, "0.1"),  # a double: as it is
        (0.9999741222201445, "0.9999741222201445"),
        (1.0, "1.0"),
        (16777216.0, "16777216.0"),
        (1e300, "1e+300"),
        (-0.0, "-0.0"),
        (7, "7"),
    ],
)
def test_single_precision_gets_the_digits_it_has(value: float, text: str) -> None:
    assert dumps({"a": [value]}) == f'{{"a": [{text}]}}'


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_it_is_the_same_number_in_single_precision(value: float) -> None:
    found = json.loads(dumps(value))
    assert struct.pack("<f", found) == struct.pack("<f", value)
    assert len(f"{found:.17g}".lstrip("-")) > 0
    assert float(f"{found:.9g}") == found, "at most nine digits"


def test_what_is_no_number_stays() -> None:
    assert math.isnan(json.loads(dumps(math.nan)))
    assert json.loads(dumps({"x": (True, None, "0.30000001192")})) == {"x": [True, None, "0.30000001192"]}


def test_an_end_is_shown_as_the_day_that_was_given() -> None:
    end = until("2027-12-31")
    assert end == datetime(2028, 1, 1, tzinfo=UTC)
    assert last_day(end) == "2027-12-31"
    assert last_day(datetime(2027, 12, 31, 18, 30, tzinfo=timezone(timedelta(hours=1)))) == "2027-12-31 17:30 UTC"
