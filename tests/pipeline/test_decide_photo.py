"""All faces of a photo decided together: nobody is named twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decide import decide_identify, decide_photo
from pipeline.types import Candidates
from tests.fakes import candidates, points

_, IDENTIFY = points(0.5)

NAMES = "ABCDE"
Photo = st.lists(st.permutations(NAMES).flatmap(lambda names: st.tuples(
    st.just(names), st.lists(st.integers(-10, 10), min_size=5, max_size=5))), min_size=1, max_size=3)  # fmt: skip


def photo(faces: list[tuple[list[str], list[int]]]) -> list[Candidates]:
    return [candidates(*zip(names, sorted((n / 10 for n in tens), reverse=True), strict=True)) for names, tens in faces]


@given(Photo, st.sampled_from([0.0, 0.1, 0.3]))
def test_nobody_is_named_twice_and_every_name_is_earned(
    faces: list[tuple[list[str], list[int]]], margin: float
) -> None:
    found = photo(faces)
    decisions = decide_photo(found, replace(IDENTIFY, margin=margin), 5)
    named = [decision.subject for decision in decisions if decision.subject is not None]
    assert len(set(named)) == len(named)
    for face, decision in zip(found, decisions, strict=True):
        scores = dict(zip(face.subjects, face.scores.tolist(), strict=True))
        assert (decision.kind == "match") == (decision.subject is not None)
        assert decision.kind in {"match", "unknown", "ambiguous"}
        assert decision.reason
        if decision.subject is not None:
            assert decision.score == scores[decision.subject] >= 0.5
        if max(scores.values()) < 0.5:
            assert decision.kind == "unknown"


@given(Photo)
def test_the_names_are_the_best_there_are_together(faces: list[tuple[list[str], list[int]]]) -> None:
    found = photo(faces)
    decisions = decide_photo(found, replace(IDENTIFY, margin=0.0), 5)
    tables = [dict(zip(face.subjects, face.scores.tolist(), strict=True)) for face in found]
    best = max(
        sum(max(0.0, table[name] - 0.5) for table, name in zip(tables, names, strict=True) if name in table)
        for names in product([*NAMES, ""], repeat=len(found))
        if len(set(filter(None, names))) == len(list(filter(None, names)))
    )
    given_away = sum((d.score or 0.0) - 0.5 for d in decisions if d.kind in ("match", "ambiguous"))
    assert given_away == pytest.approx(best, abs=1e-6)


@given(Photo)
def test_where_repeats_are_allowed_each_face_stands_alone(faces: list[tuple[list[str], list[int]]]) -> None:
    found = photo(faces)
    alone = [decide_identify(face, IDENTIFY, 5) for face in found]
    assert list(decide_photo(found, IDENTIFY, 5, allow_repeats=True)) == alone


def test_the_face_that_loses_becomes_the_next_or_unknown_and_says_so() -> None:
    first = candidates(("Ada", 0.9), ("Bob", 0.2))
    second = candidates(("Ada", 0.8), ("Bob", 0.6))
    third = candidates(("Ada", 0.7), ("Bob", 0.55))
    one, two, three = decide_photo([first, second, third], IDENTIFY, 2)
    assert (one.kind, one.subject) == ("match", "Ada")
    assert (two.kind, two.subject) == ("match", "Bob")
    assert "Ada, who is more alike, is face 1" in two.reason
    assert (three.kind, three.subject) == ("unknown", None)
    for word in ("Ada", "face 1", "0.700", "0.900", "twice"):
        assert word in three.reason
    assert [d.subject for d in decide_photo([third, second, first], IDENTIFY, 2)] == [None, "Bob", "Ada"]
    assert [d.subject for d in decide_photo([first, second], IDENTIFY, 2, allow_repeats=True)] == ["Ada", "Ada"]


def test_a_rival_who_is_surely_another_face_is_none() -> None:
    point = replace(IDENTIFY, margin=0.1)
    bob = candidates(("Bob", 0.9), ("Ada", 0.1))
    torn = candidates(("Ada", 0.7), ("Bob", 0.65))
    assert decide_photo([torn], point, 2)[0].kind == "ambiguous"
    assert [d.subject for d in decide_photo([torn, bob], point, 2)] == ["Ada", "Bob"]


def test_each_face_of_a_photo_has_its_own_quality() -> None:
    point = replace(IDENTIFY, min_norm=9.0)
    found = [candidates(("Ada", 0.2)), candidates(("Ada", 0.3)), candidates(("Ada", 0.8))]
    decisions = decide_photo(found, point, 1, norms=[8.0, 10.0, 8.0])
    assert [decision.kind for decision in decisions] == ["poor_image", "unknown", "match"]


def test_an_empty_gallery_and_an_empty_photo() -> None:
    assert decide_photo([], IDENTIFY, 0) == ()
    assert [d.kind for d in decide_photo([candidates(), candidates()], IDENTIFY, 0)] == ["unknown", "unknown"]
