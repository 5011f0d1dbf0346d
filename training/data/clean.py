"""What may be wrong in a set, found by templates: near-duplicates, likely label noise, people of an evaluation set.

All is listed, nothing is changed; `cleaned` writes a new set without what was found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.errors import TrainingDataError
from pipeline.types import F32, F64
from training.data.dataset import I64, FaceDataset
from training.data.shard_writer import ShardWriter, encode_crop, shard_file

Kind = Literal["duplicate", "conflict", "noise", "overlap"]
_ROWS = 2048
#: Identities of fewer samples have no centre to be far from.
_FEWEST = 3
#: Crops of an identity that are held against those of another.
_CROPS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that may be wrong.

    Attributes:
        kind: `duplicate`: nearly the same picture as `other`, of the same identity. `conflict`: the same, of another
            identity. `noise`: far from the rest of its identity; `other` is the identity it is like, if there is one.
            `overlap`: the whole identity is like the identity `other` of an evaluation set.
        sample: Its number; of an overlap, the first of the identity.
        other: A sample's number (`duplicate`, `conflict`), or an identity's; -1 for none.
        score: Cosine similarity: with the other picture; with its own identity's centre; the median of
            the two identities' crops.
    """

    kind: Kind
    sample: int
    other: int
    score: float


def centres_of(vectors: F32, labels: I64, count: int) -> F32:
    """(C, D) unit vectors: the mean direction of each identity's templates; zeros where it has none."""
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    np.add.at(sums, labels, vectors)
    return _unit(sums)


def find_repeats(vectors: F32, labels: I64, threshold: float) -> list[Finding]:
    """Samples that are nearly the same picture as an earlier one; all pairs are looked at.

    Args:
        vectors: (N, D) unit rows.
        labels: (N,) identities.
        threshold: Pairs of at least this score.
    """
    found: list[Finding] = []
    dropped: set[int] = set()
    for sample, earlier, score in _close_pairs(vectors, threshold):
        if earlier in dropped or sample in dropped:
            continue
        same = bool(labels[sample] == labels[earlier])
        if same:
            dropped.add(sample)
        found.append(Finding("duplicate" if same else "conflict", sample, earlier, score))
    return found


def _close_pairs(vectors: F32, threshold: float) -> Iterator[tuple[int, int, float]]:
    """Each pair that scores at least the threshold: later, earlier, score; by the later, then the earlier."""
    for start in range(0, len(vectors), _ROWS):
        rows = vectors[start : start + _ROWS]
        pairs: list[tuple[int, int, float]] = []
        for left in range(0, start + len(rows), _ROWS):
            scores = rows @ vectors[left : left + _ROWS].T
            for row, column in zip(*np.nonzero(scores >= threshold), strict=True):
                if left + column < start + row:
                    pairs.append((start + int(row), left + int(column), float(scores[row, column])))
        yield from sorted(pairs)


def find_noise(vectors: F32, labels: I64, count: int, threshold: float) -> list[Finding]:
    """Samples that score below the threshold with the mean of the other samples of their identity, lowest first."""
    sums = np.zeros((count, vectors.shape[1]), np.float64)
    np.add.at(sums, labels, vectors)
    sizes = np.bincount(labels, minlength=count)
    centres = _unit(sums.astype(np.float32))
    found = []
    for start in range(0, len(vectors), _ROWS):
        part, own = vectors[start : start + _ROWS], labels[start : start + _ROWS]
        rest = _unit((sums[own] - part).astype(np.float32))
        scores = (part * rest).sum(axis=1)
        for row in np.flatnonzero((scores < threshold) & (sizes[own] >= _FEWEST)):
            likeness = centres @ part[row]
            likeness[own[row]] = -1.0
            best = int(likeness.argmax())
            other = best if likeness[best] >= threshold else -1
            found.append(Finding("noise", start + int(row), other, float(scores[row])))
    return sorted(found, key=lambda one: one.score)


def find_overlap(mine: tuple[F32, I64], theirs: tuple[F32, I64], threshold: float) -> list[Finding]:
    """Identities that are in an evaluation set too, highest score first.

    Means of templates score higher with each other than single templates do, so the one person's score does not fit
    them. They only choose whom an identity is held against; what counts is the median score of the two's crops.

    Args:
        mine: (N, D) unit rows of this set and (N,) identities.
        theirs: Likewise, of the evaluation set.
        threshold: Score of two crops from which they show one person.
    """
    centres, others = (centres_of(vectors, labels, int(labels.max()) + 1) for vectors, labels in (mine, theirs))
    members, their_members = _members(mine[1]), _members(theirs[1])
    found = []
    for start in range(0, len(centres), _ROWS):
        scores = centres[start : start + _ROWS] @ others.T
        best = scores.argmax(axis=1)
        for row in np.flatnonzero(scores[np.arange(len(best)), best] >= threshold):
            ours, other = members[start + int(row)], their_members[int(best[row])]
            score = float(np.median(mine[0][ours[:_CROPS]] @ theirs[0][other[:_CROPS]].T))
            if score >= threshold:
                found.append(Finding("overlap", int(ours[0]), int(best[row]), score))
    return sorted(found, key=lambda one: -one.score)


def _members(labels: I64) -> list[I64]:
    """Rows of each identity."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels))[:-1])


def to_remove(found: Sequence[Finding], vectors: F32, labels: I64, count: int) -> set[int]:
    """Numbers of the samples that go, if all that was found is to go.

    Of a duplicate the later goes; of a conflict the one that is less like its own identity; of an overlap everybody.
    """
    centres = centres_of(vectors, labels, count)
    gone = {one.sample for one in found if one.kind in ("duplicate", "noise")}
    for one in found:
        if one.kind == "conflict":
            pair = (one.sample, one.other)
            gone.add(min(pair, key=lambda sample: float(vectors[sample] @ centres[labels[sample]])))
    people = [labels[one.sample] for one in found if one.kind == "overlap"]
    return gone | {int(sample) for sample in np.flatnonzero(np.isin(labels, people))}


def cleaned(dataset: FaceDataset, without: Collection[int], out: Path, *, shard: int = 5000) -> Iterator[Path]:
    """Writes a new set without some samples, losslessly; yields each shard once it is durable.

    Raises:
        TrainingDataError: The folder is not empty, or a sample cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise TrainingDataError(f"{out}: is not empty; name another folder for the cleaned set")
    kept = [index for index in range(len(dataset)) if index not in without]
    for number, start in enumerate(range(0, len(kept), shard)):
        with ShardWriter(shard_file(out, number)) as writer:
            for index in kept[start : start + shard]:
                identity = dataset.identities[int(dataset.labels[index])]
                crop, suffix = _encoded(dataset, index)
                writer.add(index, crop, suffix, identity, dataset.name(index))
        yield shard_file(out, number)


def _encoded(dataset: FaceDataset, index: int) -> tuple[bytes, str]:
    """The crop's own bytes if they are a JPEG, or else a PNG of its pixels."""
    data = dataset.encoded(index)
    return (data, "jpg") if data.startswith(b"\xff\xd8\xff") else (encode_crop(dataset.read(index), "png"), "png")


def _unit(rows: F32) -> F32:
    lengths: F64 = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    unit: F32 = (rows / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    return unit
