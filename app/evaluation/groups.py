"""Groups of pairs (age, sex, region, camera, anything) from a list of people or of photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from app.evaluation.lists import lines_of, rows_of
from app.evaluation.records import Pair
from pipeline.errors import ConfigError

#: What a pair is called whose two sides are in different groups.
MIXED = "mixed"


def with_groups(pairs: Sequence[Pair], file: Path) -> list[Pair]:
    """The pairs with the groups that a CSV gives to each person or photo.

    Args:
        pairs: The pairs.
        file: CSV whose first column is `subject` or `photo`; every other one is a group. A pair belongs to the group of
            both its sides, or to `mixed`; where a side is not listed, its group is "".

    Raises:
        ConfigError: It cannot be read, its first column is neither, or somebody is listed twice.
    """
    lines = lines_of(file, "a CSV whose first column is subject or photo")
    key = lines[0].split(",")[0].strip().strip('"')
    if key not in ("subject", "photo"):
        raise ConfigError(f"{file}: line 1: the first column is {key!r}, not subject or photo")
    columns: list[str] = []
    values: dict[str, dict[str, str]] = {}
    for line, row in rows_of(file, lines, (key,)):
        who = row.pop(key)
        if who in values:
            raise ConfigError(f"{file}: line {line}: {key} {who} is listed twice")
        values[who], columns = row, list(row)
    grouped = []
    for pair in pairs:
        one = values.get(pair.a if key == "photo" else _person(pair.a, pair.subject_a), {})
        other = values.get(pair.b if key == "photo" else _person(pair.b, pair.subject_b), {})
        own = tuple((c, _shared(one.get(c, ""), other.get(c, ""))) for c in columns)
        grouped.append(replace(pair, groups=(*pair.groups, *own)))
    return grouped


def _person(photo: str, named: str) -> str:
    return named or PurePosixPath(photo).parent.name


def _shared(one: str, other: str) -> str:
    return one if one == other else MIXED
