"""Pairs drawn from a folder with a sub-folder per person."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evaluation.folders import Photos, draw_pairs, people_in
from pipeline.errors import ConfigError
from tests.fakes import write_bars

FOLDER = Path("folder")


def people_of(*sizes: int) -> Photos:
    return {f"p{n}": [f"p{n}/{i}.jpg" for i in range(size)] for n, size in enumerate(sizes)}


def owner(name: str) -> str:
    return name.split("/", maxsplit=1)[0]


@given(st.lists(st.integers(1, 9), min_size=4, max_size=30), st.integers(1, 400), st.integers(2, 12), st.integers(0, 9))
def test_pairs_are_right_distinct_and_disjoint_by_person(sizes: list[int], wanted: int, folds: int, seed: int) -> None:
    people = people_of(2, 2, *sizes)
    pairs = draw_pairs(FOLDER, people, folds=folds, per_kind=wanted, seed=seed)
    keys = {frozenset((p.a, p.b)) for p in pairs}
    assert len(keys) == len(pairs), "no pair twice"
    fold_of: dict[str, int | None] = {}
    for pair in pairs:
        assert pair.mated == (owner(pair.a) == owner(pair.b))
        assert pair.a != pair.b
        for name in (pair.a, pair.b):
            assert fold_of.setdefault(owner(name), pair.fold) == pair.fold, "a person is in one fold only"
    for kind in (True, False):
        assert sum(p.mated == kind for p in pairs) <= wanted
    assert pairs == draw_pairs(FOLDER, people, folds=folds, per_kind=wanted, seed=seed)


def test_all_pairs_are_taken_where_they_are_few() -> None:
    people = people_of(5, 4, 3, 2)
    pairs = draw_pairs(FOLDER, people, folds=2, per_kind=1000)
    members = [{owner(name) for p in pairs if p.fold == fold for name in (p.a, p.b)} for fold in (0, 1)]
    expected = set()
    for fold in members:
        photos = [name for person in fold for name in people[person]]
        expected |= {frozenset(both) for both in combinations(photos, 2)}
    assert {frozenset((p.a, p.b)) for p in pairs} == expected


def test_every_mated_pair_is_as_likely() -> None:
    """The number of a pair is taken apart into two photos: each comes up about as often as any other."""
    people = people_of(7, 3, 5, 2)
    counts: dict[frozenset[str], int] = {}
    for seed in range(300):
        for pair in draw_pairs(FOLDER, people, folds=2, per_kind=8, seed=seed):
            if pair.mated and owner(pair.a) == "p0":
                key = frozenset((pair.a, pair.b))
                counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 21
    assert max(counts.values()) < 2 * min(counts.values())


@pytest.mark.parametrize("sizes", [(2, 2, 2), (9, 1, 1, 1), (1, 1, 1, 1), (2,)])
def test_too_few_people_are_a_named_error(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="four people"):
        draw_pairs(FOLDER, people_of(*sizes))


def test_people_are_sub_folders(tmp_path: Path) -> None:
    for name in ("Ada/1.png", "Ada/deeper/2.png", "Bob/1.png", "stray.png"):
        write_bars(tmp_path / name)
    (tmp_path / "Cy").mkdir()
    assert people_in(tmp_path) == {"Ada": ["Ada/1.png", "Ada/deeper/2.png"], "Bob": ["Bob/1.png"]}
    with pytest.raises(ConfigError, match="sub-folder"):
        people_in(tmp_path / "Bob")
    with pytest.raises(ConfigError, match="sub-folder"):
        people_in(tmp_path / "nowhere")


def test_links_to_folders_are_said_not_to_be_followed(tmp_path: Path) -> None:
    write_bars(tmp_path / "real" / "ann" / "1.png", (255, 0, 0))
    (tmp_path / "links").mkdir()
    with pytest.raises(ConfigError, match="holds no photos in sub-folders; a sub"):
        people_in(tmp_path / "links")
    (tmp_path / "links" / "ann").symlink_to(tmp_path / "real" / "ann")
    with pytest.raises(ConfigError, match=r"holds no photos in sub-folders \(links to folders are not followed: ann\)"):
        people_in(tmp_path / "links")
