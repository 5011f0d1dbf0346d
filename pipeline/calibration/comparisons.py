"""Scores of many faces with each other, kept so that it stays known which people each comparison rests on.

A subject weighs as much as any other, however many photos there are: the photos of a pair of subjects share the weight
of one comparison, so that rates are those of a randomly drawn pair of people, with a photo of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.types import F32, F64

Rows = npt.NDArray[np.integer[Any]]
Bools = npt.NDArray[np.bool_]
Fuse = Callable[[F32], F32]
"""From the templates (N, D) of one subject to the one (D,) that stands for them."""


@dataclass(frozen=True, slots=True, eq=False)
class NonMated:
    """Comparisons of different subjects, highest score first.

    Attributes:
        scores: (P,) float64, descending.
        weights: (P,) float64; those of one pair of subjects add up to 1.
        probe: (P,) row of the probe's photo.
        a, b: (P,) rows of the two subjects; `a` is the probe's.
        owners: (photos,) row of the subject of each probe's photo.
        subjects: S, how many subjects there are.
        pairs: Weight of all comparisons, those below the lowest score kept included: S(S-1)/2, or S(S-1) where probe
            and gallery have different roles.
    """

    scores: F64
    weights: F64
    probe: Rows
    a: Rows
    b: Rows
    owners: Rows
    subjects: int
    pairs: float

    def above(self, threshold: float) -> slice:
        """The comparisons with score >= threshold."""
        return slice(0, int(np.searchsorted(-self.scores, -threshold, side="right")))


@dataclass(frozen=True, slots=True, eq=False)
class Mated:
    """Comparisons of two photos of one subject.

    Attributes:
        scores: (P,) float64; -inf where a photo failed, which is a miss at every threshold.
        weights: (P,) float64; those of one subject add up to 1.
        subject: (P,) row of the subject.
        best_other: (P,) float64, the best score of the same probe with anybody else; -inf where that was not asked.
    """

    scores: F64
    weights: F64
    subject: Rows
    best_other: F64

    @property
    def subjects(self) -> int:
        """Subjects with at least one comparison."""
        return len(np.unique(self.subject))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """All comparisons within one part of the people.

    Attributes:
        verify: Photo against photo of different subjects.
        mated: Photo against photo of one subject.
        search: Photo against subject, by the best of the photos enrolled of it.
        found: Photo against its own subject, likewise.
    """

    verify: NonMated
    mated: Mated
    search: NonMated
    found: Mated


def compare_all(vectors: F32, owners: Rows, usable: Bools, enrolled: int = 1, fuse: Fuse | None = None) -> Part:
    """Compares every photo of a part of the people with every other.

    Args:
        vectors: (N, D) float32 unit rows; rows that are not usable are ignored.
        owners: (N,) row of the subject of each photo, 0..S-1.
        usable: (N,) False where a photo failed: it is left out of non-mated comparisons and a miss in mated ones.
        enrolled: Photos of a subject that stand in the gallery when its others, or other people, are searched.
        fuse: Makes one template of them, where a gallery is searched by those; by default the best photo counts.
    """
    scores = np.clip(vectors @ vectors.T, -1.0, 1.0)
    here = np.nonzero(usable)[0]
    present, owner = np.unique(owners[here], return_inverse=True)
    counts = np.bincount(owner)
    inner = scores[np.ix_(here, here)]
    side = counts.astype(np.float64)
    row, column = np.triu_indices(len(here), 1)
    differ = owner[row] != owner[column]
    row, column = row[differ], column[differ]
    one, other = owner[row], owner[column]
    s = len(present)
    verify = _sorted(
        inner[row, column], 1 / (side[one] * side[other]), row, one, other, owner.astype(np.int32), s * (s - 1) / 2
    )
    chosen, begins = _enrolled(owner, enrolled)
    by_subject = np.zeros((len(here), 0), np.float32)
    if len(chosen) and fuse is None:
        by_subject = np.maximum.reduceat(inner[:, chosen], begins, axis=1)
    elif len(chosen) and fuse is not None:
        parts = np.split(vectors[here][chosen], begins[1:])
        by_subject = np.clip(vectors[here] @ np.stack([fuse(part) for part in parts]).T, -1.0, 1.0)
    probe, subject = np.nonzero(owner[:, None] != np.arange(s)[None, :])
    search = _sorted(
        by_subject[probe, subject],
        1 / side[owner[probe]],
        probe,
        owner[probe],
        subject,
        owner.astype(np.int32),
        s * (s - 1.0),
    )
    rivals = np.full(len(vectors), -np.inf)
    if s > 1:
        others = by_subject.copy()
        others[np.arange(len(here)), owner] = -np.inf
        rivals[here] = others.max(axis=1)
    return Part(
        verify, _mated(scores, owners, usable), search, _found(scores, vectors, owners, usable, enrolled, fuse, rivals)
    )


def _sorted(scores: F32, weights: F64, probe: Rows, a: Rows, b: Rows, owners: Rows, pairs: float) -> NonMated:
    order = np.argsort(-scores, kind="stable")
    probe, a, b = (array[order].astype(np.int32) for array in (probe, a, b))
    count = int(owners.max()) + 1 if len(owners) else 0
    return NonMated(scores[order].astype(np.float64), weights[order], probe, a, b, owners, count, pairs)


def _enrolled(owner: Rows, enrolled: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows of the first `enrolled` photos of each subject, by subject, and where each subject begins among them."""
    order = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[order], np.arange(owner.max() + 1 if len(owner) else 0))
    place = np.arange(len(order)) - starts[owner[order]]
    chosen = order[place < enrolled]
    return chosen, np.searchsorted(owner[chosen], np.arange(len(starts)))


def _several(owners: Rows) -> list[npt.NDArray[np.intp]]:
    """The photos of each subject with at least two."""
    order = np.argsort(owners, kind="stable")
    edges = np.nonzero(np.diff(owners[order]))[0] + 1
    return [rows for rows in np.split(order, edges) if len(rows) > 1]


def _mated(scores: F32, owners: Rows, usable: Bools) -> Mated:
    parts: list[tuple[F64, F64, Rows]] = []
    for rows in _several(owners):
        i, j = np.triu_indices(len(rows), 1)
        values = scores[rows[i], rows[j]].astype(np.float64)
        values[~(usable[rows[i]] & usable[rows[j]])] = -np.inf
        parts.append((values, np.full(len(i), 1 / len(i)), np.full(len(i), owners[rows[0]], np.int32)))
    return _joined(parts, None)


def _found(
    scores: F32, vectors: F32, owners: Rows, usable: Bools, enrolled: int, fuse: Fuse | None, rivals: F64
) -> Mated:
    parts: list[tuple[F64, F64, Rows]] = []
    probes: list[npt.NDArray[np.intp]] = []
    for rows in _several(owners):
        values = np.full(len(rows), -np.inf)
        for place, probe in enumerate(rows):
            rest = [row for row in rows if row != probe and usable[row]][:enrolled]
            if rest and usable[probe]:
                values[place] = scores[probe, rest].max() if fuse is None else vectors[probe] @ fuse(vectors[rest])
        parts.append((values, np.full(len(rows), 1 / len(rows)), np.full(len(rows), owners[rows[0]], np.int32)))
        probes.append(rows)
    return _joined(parts, rivals[np.concatenate(probes)] if probes else None)


def _joined(parts: list[tuple[F64, F64, Rows]], best_other: F64 | None) -> Mated:
    if not parts:
        return Mated(np.zeros(0), np.zeros(0), np.zeros(0, np.int32), np.zeros(0))
    scores, weights, subject = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return Mated(scores, weights, subject, np.full(len(scores), -np.inf) if best_other is None else best_other)
