"""Many needles at once, held against `in` for each."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.needles import Needle, Search


def slowly(needles, data):
    return {needle.what for needle in needles if needle.data in data}


@pytest.mark.parametrize("length", [4, 11, 12, 13, 19, 24, 40])
def test_a_needle_is_found_wherever_it_stands(length):
    draw = random.Random(length)  # noqa: S311 - no secret
    needle = Needle("vector", draw.randbytes(length))
    for at in range(40):
        data = draw.randbytes(at) + needle.data + draw.randbytes(draw.randrange(9))
        assert Search([needle]).within(data) == {"vector"}, at
        assert Search([needle]).within(data[:-1] if data.endswith(needle.data) else data[: at + length - 1]) == set()


bits = st.binary(min_size=0, max_size=60) | st.lists(st.sampled_from([0, 1, 255]), max_size=60).map(bytes)
words = st.binary(min_size=4, max_size=30) | st.lists(st.sampled_from([0, 1]), min_size=4, max_size=30).map(bytes)


@given(
    st.lists(st.tuples(st.sampled_from(["vector", "crop", "name"]), words), max_size=12),
    st.lists(bits | words, max_size=8),
    st.data(),
)
@settings(max_examples=300, deadline=None)
def test_it_finds_what_in_finds(pairs, parts, data):
    needles = [Needle(what, found) for what, found in pairs]
    if needles and data.draw(st.booleans()):
        parts.insert(data.draw(st.integers(0, len(parts))), data.draw(st.sampled_from(needles)).data)
    text = b"".join(parts)
    assert Search(needles).within(text) == slowly(needles, text)


def test_a_file_full_of_a_word_of_a_needle_is_read_all_the_same():
    needle = Needle("crop", b"\0\0\0\0" * 5 + b"\1\2\3\4")
    zeros = bytes(100_000)
    assert Search([needle]).within(zeros) == set()
    assert Search([needle]).within(zeros + needle.data) == {"crop"}


def test_what_is_known_is_not_looked_for():
    needles = [Needle("name", b"Xanthippe Zwetschkenbaum"), Needle("name", b"Ada!")]
    assert Search(needles).within(b"..Xanthippe Zwetschkenbaum Ada!", {"name"}) == set()
    assert Search([]).within(b"anything") == set()


def test_many_needles_are_looked_for_in_one_table():
    """By what is looked up, not by the clock: a thousand needles give eight thousand words, in one table."""
    draw = random.Random(1)  # noqa: S311 - no secret
    search = Search(Needle("vector", draw.randbytes(24)) for _ in range(1000))
    assert len(search._words) <= 8000
    assert search.within(draw.randbytes(1 << 24)) == set()
