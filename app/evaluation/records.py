"""What is compared, and who it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos (or templates), and whether they show one person.

    Attributes:
        a: Name of one, relative to the folder of photos.
        b: Name of the other.
        mated: Whether both show one person.
        fold: Fold of the protocol; None where it names none.
        groups: Column and value of each group the pair belongs to.
        subject_a: Who `a` shows; "" where the list does not say: then the folder it lies in.
        subject_b: Who `b` shows.
    """

    a: str
    b: str
    mated: bool
    fold: int | None = None
    groups: tuple[tuple[str, str], ...] = ()
    subject_a: str = ""
    subject_b: str = ""


def subject_codes(pairs: Sequence[Pair]) -> tuple[Codes, Codes, int]:
    """The subject of each side as a number, for resampling by subject.

    Where the list does not name subjects, a photo's subject is the folder it lies in, or the photo itself; and the two
    sides of a mated pair are one subject in any case.

    Returns:
        (N,) and (N,) numbers in 0..S-1, and S.
    """
    parent: dict[str, str] = {}

    def find(key: str) -> str:
        root = key
        while parent.setdefault(root, root) != root:
            root = parent[root]
        while parent[key] != root:
            parent[key], key = root, parent[key]
        return root

    sides = [(_subject(p.a, p.subject_a), _subject(p.b, p.subject_b)) for p in pairs]
    for pair, (one, other) in zip(pairs, sides, strict=True):
        if pair.mated:
            parent[find(one)] = find(other)
    numbers: dict[str, int] = {}
    codes = [[numbers.setdefault(find(side), len(numbers)) for side in both] for both in sides]
    array = np.array(codes, np.intp).reshape(-1, 2)
    return array[:, 0], array[:, 1], len(numbers)


def _subject(photo: str, named: str) -> str:
    folder = PurePosixPath(photo).parent
    return f"subject {named}" if named else f"folder {folder}" if folder.name else f"photo {photo}"
