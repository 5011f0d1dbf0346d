"""One thing, several things."""

from __future__ import annotations

import pytest

from pipeline.counting import counted, people


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 samples"), (1, "1 sample"), (2, "2 samples"), (1234567, "1,234,567 samples")]
)
def test_the_noun_fits_the_number(count: int, words: str) -> None:
    assert counted(count, "sample") == words


def test_a_noun_with_a_plural_of_its_own() -> None:
    assert [counted(n, "entry", "entries") for n in (1, 3)] == ["1 entry", "3 entries"]
    assert [people(n) for n in (0, 1, 2)] == ["0 people", "1 person", "2 people"]
