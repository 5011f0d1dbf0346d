"""A folder with a sub-folder per person: who is in it, and pairs drawn from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from app.evaluation.records import Pair
from app.photos import photos_in, unfollowed_links
from pipeline.errors import ConfigError

Photos = dict[str, list[str]]


def people_in(folder: Path) -> Photos:
    """Photos of each person, sorted, as names relative to the folder; photos outside the sub-folders are left out.

    Raises:
        ConfigError: There are none.
    """
    people: dict[str, list[str]] = defaultdict(list)
    for path in photos_in(folder):
        name = path.relative_to(folder)
        if len(name.parts) > 1:
            people[name.parts[0]].append(name.as_posix())
    if not people:
        links = unfollowed_links(folder)
        raise ConfigError(f"{folder}: holds no photos in sub-folders{links}; a sub-folder per person is expected")
    return dict(sorted(people.items()))


def draw_pairs(folder: Path, people: Photos, *, folds: int = 10, per_kind: int = 3000, seed: int = 0) -> list[Pair]:
    """Draws mated and non-mated pairs. No person is in two folds, so a fold's threshold was fitted on other people.

    Args:
        folder: For messages.
        people: Photos of each person.
        folds: How many at most; no more than there are people with two photos, or half as many as there are people.
        per_kind: Pairs of each kind in all folds together, at most; all there are where they are fewer.
        seed: Of the draw.

    Raises:
        ConfigError: There are fewer than four people, or fewer than two with two photos.
    """
    several = [person for person in people if len(people[person]) > 1]
    folds = min(folds, len(several), len(people) // 2)
    if folds < 2:
        raise ConfigError(f"{folder}: at least four people are needed, two of them with two photos or more")
    rng = np.random.default_rng(seed)
    single = [person for person in people if len(people[person]) == 1]
    order = [group[i] for group in (several, single) for i in rng.permutation(len(group))]
    pairs = []
    for fold in range(folds):
        members = order[fold::folds]
        wanted = per_kind * (fold + 1) // folds - per_kind * fold // folds
        pairs += [_pair(a, b, True, fold) for a, b in _mated(people, members, wanted, rng)]
        pairs += [_pair(a, b, False, fold) for a, b in _non_mated(people, members, wanted, rng)]
    return pairs


def _mated(people: Photos, members: Sequence[str], wanted: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Uniformly among all pairs of one person, each at most once: numbers are drawn, then taken apart."""
    sizes = np.array([len(people[person]) * (len(people[person]) - 1) // 2 for person in members])
    ends = np.cumsum(sizes)
    found = []
    for number in _some(int(ends[-1]), wanted, rng):
        row = int(np.searchsorted(ends, number, side="right"))
        photos, left = people[members[row]], int(number - (ends[row] - sizes[row]))
        j = int((1 + np.sqrt(1 + 8 * left)) / 2)  # j(j-1)/2 <= left
        j += (j + 1) * j // 2 <= left
        j -= j * (j - 1) // 2 > left
        found.append((photos[left - j * (j - 1) // 2], photos[j]))
    return found


def _non_mated(people: Photos, members: Sequence[str], wanted: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Uniformly among all pairs of two people, each at most once."""
    owners = np.repeat(np.arange(len(members)), [len(people[person]) for person in members])
    photos = [photo for person in members for photo in people[person]]
    sizes = np.bincount(owners)
    total = (len(photos) ** 2 - int((sizes.astype(np.int64) ** 2).sum())) // 2
    if total <= 4 * wanted:
        every = [(i, j) for j in range(len(photos)) for i in range(j) if owners[i] != owners[j]]
        return [(photos[every[k][0]], photos[every[k][1]]) for k in _some(len(every), wanted, rng)]
    taken: dict[tuple[int, int], None] = {}
    while len(taken) < wanted:
        i, j = sorted(int(k) for k in rng.integers(0, len(photos), 2))
        if owners[i] != owners[j]:
            taken[i, j] = None
    return [(photos[i], photos[j]) for i, j in sorted(taken)]


def _some(total: int, wanted: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Numbers below `total`, ascending: all of them, or `wanted` different ones."""
    if total <= wanted:
        return np.arange(total, dtype=np.int64)
    return np.sort(rng.choice(total, wanted, replace=False)).astype(np.int64)


def _pair(a: str, b: str, mated: bool, fold: int) -> Pair:
    return Pair(a, b, mated, fold, subject_a=subject_of(a), subject_b=subject_of(b))


def subject_of(name: str) -> str:
    """The person a photo of such a folder shows."""
    return PurePosixPath(name).parts[0]
