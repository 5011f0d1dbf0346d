"""A seeded taste of `scripts/fuzz`: every target, with some changes to each of its files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from scripts.fuzzing.mutate import mutated
from scripts.fuzzing.targets import TARGETS, Target

TRIALS = {"backup": 6, "photo": 60, "video": 40}


@pytest.mark.parametrize("name", TARGETS)
def test_changed_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    target, chance = TARGETS[name], random.Random(8)  # noqa: S311 - not for secrets
    whole = target.seeds()
    for number in range(TRIALS.get(name, 150)):
        folder = tmp_path / str(number)
        folder.mkdir()
        data = whole[number % len(whole)]
        target(mutated(data, chance) if number >= len(whole) else data, folder)


@pytest.mark.parametrize("name", ["photo", "bin", "rec", "backup", "video", "xmp"])
def test_the_files_it_begins_with_are_whole(tmp_path: Path, name: str) -> None:
    """Else every change of them would be refused at once."""
    for number, data in enumerate(TARGETS[name].seeds()):
        folder = tmp_path / str(number)
        folder.mkdir()
        TARGETS[name].run(data, folder)


def test_an_error_without_a_name_is_a_finding(tmp_path: Path) -> None:
    def careless(data: bytes, folder: Path) -> None:
        raise IndexError

    with pytest.raises(IndexError):
        Target(careless, list)(b"", tmp_path)
