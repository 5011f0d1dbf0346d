"""The people of a calibration, dealt into two halves, and the photos of each half compared with one another.

Nobody is in both halves: the first gives thresholds, the second their error rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.calibration.comparisons import Bools, Fuse, Part, Rows, compare_all
from pipeline.types import F32

MOST_PHOTOS = 6000
"""More photos are not compared, all with all: people are then drawn by chance."""
_SEED = 20260101


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """Templates of photos whose people are known.

    Attributes:
        vectors: (N, D) float32 unit rows; anything where a photo failed.
        norms: (N,) float32, lengths before normalisation.
        owners: (N,) row of each photo's person in `people`.
        usable: (N,) False where a photo failed.
        people: Their names.
        model_id: The model the templates come from.
        data: Where the photos come from, in a word or two.
    """

    vectors: F32
    norms: F32
    owners: Rows
    usable: Bools
    people: Sequence[str]
    model_id: str
    data: str


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """All comparisons that a calibration rests on.

    Attributes:
        fit: Those of the people who give the thresholds.
        check: Those of the people who give the error rates.
        rows: Photos that were compared.
        halves: Which of `rows` belong to either half.
    """

    fit: Part
    check: Part
    rows: Rows
    halves: tuple[Rows, Rows]


def compare(photos: Photos, enrolled: int = 1, fuse: Fuse | None = None, *, most: int | None = None) -> Compared:
    """Deals the people into two halves and compares within each.

    Args:
        photos: What is known.
        enrolled: As in `compare_all`.
        fuse: Likewise.
        most: Of more photos than these, people are drawn by chance; MOST_PHOTOS by default.
    """
    rows = _at_most(photos, MOST_PHOTOS if most is None else most)
    halves = _halves(photos.owners[rows], photos.usable[rows])
    fit, check = (
        compare_all(photos.vectors[rows][half], photos.owners[rows][half], photos.usable[rows][half], enrolled, fuse)
        for half in halves
    )
    return Compared(fit, check, rows, halves)


def _at_most(photos: Photos, most: int) -> Rows:
    """The photos that are compared: all, or those of people drawn by chance."""
    counts = np.bincount(photos.owners, minlength=len(photos.people))
    order = np.random.default_rng(_SEED).permutation(len(counts))
    kept = np.zeros(len(counts), np.bool_)
    kept[order[np.cumsum(counts[order]) <= most]] = True
    return np.nonzero(kept[photos.owners])[0].astype(np.int32)


def _halves(owners: Rows, usable: Bools) -> tuple[Rows, Rows]:
    """Photos of either half of the people, who are dealt evenly: those with several usable photos, with one, with none.

    Who has no usable photo is dealt too: nobody finds these people, and the rates of misses have to say so.
    """
    people = int(owners.max(initial=-1)) + 1
    photos, counts = (np.bincount(rows, minlength=people) for rows in (owners, owners[usable]))
    order = np.random.default_rng(_SEED + 1).permutation(people)
    groups = (counts > 1, counts == 1, (counts == 0) & (photos > 0))
    dealt = np.concatenate([order[group[order]] for group in groups])
    first = np.zeros(people, np.bool_)
    first[dealt[::2]] = True
    return np.nonzero(first[owners])[0].astype(np.int32), np.nonzero(~first[owners])[0].astype(np.int32)
