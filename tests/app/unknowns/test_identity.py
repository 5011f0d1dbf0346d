"""app.unknowns.identity: which cluster keeps which number, whatever happens to the faces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.unknowns.identity import identify, label, number_of
from pipeline.errors import UnknownClusterError

FACES = [f"{n:02d}" for n in range(14)]
#: The cluster of each face, 0..5; None: it is not there.
STATES = st.lists(st.none() | st.integers(0, 5), min_size=len(FACES), max_size=len(FACES))


def blocks_of(state: list[int | None]) -> list[tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    for face, block in zip(FACES, state, strict=True):
        if block is not None:
            found.setdefault(block, []).append(face)
    return sorted(map(tuple, found.values()), key=lambda block: (-len(block), block[0]))


@given(st.lists(STATES, min_size=2, max_size=6))
def test_the_rules_hold_through_any_history(history: list[list[int | None]]) -> None:
    numbers: dict[str, int] = {}
    given_so_far, gone = 0, set[int]()
    for state in history:
        blocks = blocks_of(state)
        found = identify(blocks, numbers, given_so_far + 1)
        here = {block: {found.numbers[face] for face in block} for block in blocks}
        assert all(len(its) == 1 for its in here.values())
        assert len(set(found.numbers.values())) == len(blocks)  # no two clusters share a number
        assert not gone & set(found.numbers.values())  # what became an alias is never a cluster again
        for block in blocks:
            (number,) = here[block]
            claims = [old for old in set(numbers.values()) if block == largest_part(old, numbers, blocks)]
            assert number == (min(claims) if claims else number)
            assert claims or number > given_so_far
            assert {old for old, into in found.aliases.items() if into == number} == set(claims) - {number}
        given_so_far = max(given_so_far, *found.numbers.values(), 0)
        gone |= set(found.aliases)
        numbers = {face: found.aliases.get(old, old) for face, old in numbers.items()} | found.numbers


def largest_part(old: int, numbers: dict[str, int], blocks: list[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The cluster that has most of a number's faces; of equally many, that with the smallest of them."""
    best = None
    for block in blocks:
        part = sorted(face for face in block if numbers.get(face) == old)
        if part and (best is None or (-len(part), part[0]) < best[0]):
            best = ((-len(part), part[0]), block)
    return best[1] if best else None


def test_faces_that_are_added_change_no_number() -> None:
    before = identify([("a", "b", "c"), ("d", "e")], {}, 1).numbers
    assert before == {"a": 1, "b": 1, "c": 1, "d": 2, "e": 2}
    after = identify([("d", "e", "x", "y", "z"), ("a", "b", "c", "w"), ("v",)], before, 3)
    assert (after.numbers["x"], after.numbers["w"], after.numbers["v"]) == (2, 1, 3)
    assert not after.aliases


def test_grown_together_and_split() -> None:
    before = {"a": 1, "b": 1, "c": 2, "d": 2, "e": 2}
    together = identify([("a", "b", "c", "d", "e")], before, 3)
    assert (set(together.numbers.values()), together.aliases) == ({1}, {2: 1})
    apart = identify([("c", "d"), ("a", "b"), ("e",)], before, 3)
    assert apart.numbers == {"c": 2, "d": 2, "a": 1, "b": 1, "e": 3}
    even = identify([("c", "d"), ("a", "b")], dict.fromkeys("abcd", 1), 2)
    assert (even.numbers["a"], even.numbers["c"]) == (1, 2)


def test_faces_that_come_back_get_their_old_number() -> None:
    assert identify([("a", "b")], {"a": 7, "b": 7, "z": 9}, 10).numbers == {"a": 7, "b": 7}


def test_labels_are_read_as_people_write_them() -> None:
    assert [number_of(text) for text in ("U-0001", "u12", " U-123456 ", "U-7")] == [1, 12, 123456, 7]
    assert [label(number) for number in (1, 12345)] == ["U-0001", "U-12345"]
    for text in ("", "U-", "U-0", "anna", "U--1", "U-1;", "U-\n1", "1" * 40):
        with pytest.raises(UnknownClusterError, match="unknown list"):
            number_of(text)
