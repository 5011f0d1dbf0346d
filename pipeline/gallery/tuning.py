"""Which index serves a gallery best, measured on its own vectors.

Two kinds of probes, drawn from the rows of the index and always the same ones for the same rows:

    enrolled      a row turned away from itself, to a cosine as that of two samples of one subject of this gallery (0.5
                  to 0.8 where there are too few), towards a random sum of others: a new photo of somebody enrolled
    unenrolled    a row whose own subject is left out of the answers: somebody who is not there

The exact index is asked the same. A *changed decision* is a probe for which the subjects that reach the threshold, or
their scores, are not the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.gallery.codes import Coding
from pipeline.gallery.faiss_index import SEALED, FaissIndex
from pipeline.gallery.index import I64
from pipeline.gallery.segments import Segment, joined
from pipeline.gallery.shortlist import FEW
from pipeline.types import F32

FIRST = (512, 2048, 10240)
"""Rows examined at first, of the candidates."""

PAYS = 1.5
"""A compressed index must be so many times as quick as the exact one to be worth its memory."""

_TIMED = 60  # probes asked one by one
_MATED = 100  # pairs of samples of one subject that tell how alike they are
_COSINES = (0.5, 0.8)
_OTHERS = 32  # rows that are summed
_K = 3  # a probe's own subject, the best other one, and the runner-up

Note = Callable[[str], None]
_Answer = tuple[F32, I64]


@dataclass(frozen=True, slots=True)
class Measured:
    """One candidate: what it is, what it answered, what it costs, and why it was refused ("" if it was not)."""

    method: str
    bits: int | None
    first: int | None
    recall_enrolled: float
    recall_unenrolled: float
    changed_enrolled: int
    changed_unenrolled: int
    p50_ms: float
    p95_ms: float
    exact_p50_ms: float
    megabytes: float
    build_s: float
    refused: str


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """(P, D) unit rows; the subject that each answer leaves out, -1 for none."""

    vectors: F32
    left_out: I64


def candidates(dimension: int) -> list[Coding]:
    """The codings to try: a bit or two a dimension, more where vectors are short."""
    least = -(-dimension // 64) * 64
    lengths = [least, 2 * least] if least > 128 else [least, 2 * least, 4 * least]
    return [Coding(bits, first) for bits in lengths for first in FIRST]


def measure(
    index: FaissIndex, threshold: float, target_recall: float, probes: int, note: Note
) -> tuple[Coding | None, list[Measured]]:
    """Measures the exact index and the candidates.

    Args:
        index: The index in use; it is not changed.
        threshold: The score of the operating point.
        target_recall: The share of enrolled probes for which the best subject must be the exact index's, in (0, 1].
        probes: How many of each kind.
        note: Told what is being done.

    Returns:
        The coding that serves best, None for the exact index; and what was measured, the exact index first.
    """
    rows = joined(index.segments, index.dimension)
    exact = FaissIndex(index.dimension, rows)
    if len(rows) < SEALED:
        note(f"{len(rows)} templates are compared exactly: compressing pays from {SEALED} on")
        return None, []
    both = enrolled_probes(rows, probes), unenrolled_probes(rows, probes)
    note(f"asking the exact index of {len(rows)} templates for {2 * probes} probes")
    truth = [_answers(exact, kind, threshold) for kind in both]
    p50, p95, _ = _timed(exact, exact, both, threshold)
    plain = round(4e-6 * rows.vectors.size, 1)
    found = [Measured("exact", None, None, 1.0, 1.0, 0, 0, p50, p95, p50, plain, 0.0, "")]
    best: tuple[float, Coding] | None = None
    for coding in candidates(index.dimension):
        if coding.bits != (rows.codes.bits if rows.codes else 0):
            start = time.perf_counter()
            rows = rows.encoded(coding.bits)
            build = round(time.perf_counter() - start, 2)
        note(f"trying codes of {coding.bits} bits, {coding.first} rows examined at first")
        compressed = FaissIndex(index.dimension, rows, coding)
        p50, p95, exact_p50 = _timed(compressed, exact, both, threshold)
        figures = _compared(truth, [_answers(compressed, kind, threshold) for kind in both], threshold)
        megabytes = round(plain + 1e-6 * len(rows) * (coding.bits / 8 + 8), 1)
        refused = _refusal(figures, target_recall, p50, exact_p50)
        bits, first = coding.bits, coding.first
        found.append(Measured("rabitq", bits, first, *figures, p50, p95, exact_p50, megabytes, build, refused))
        if not refused and (best is None or p50 / exact_p50 < best[0]):
            best = p50 / exact_p50, coding
    return best[1] if best else None, found


def document(coding: Coding | None, found: Sequence[Measured], **circumstances: Any) -> dict[str, Any]:
    """The choice and its evidence, as they are kept with the gallery."""
    choice = {"method": "exact"} if coding is None else coding.as_document()
    return {**choice, "evidence": {**circumstances, "candidates": [asdict(each) for each in found]}}


def enrolled_probes(rows: Segment, count: int) -> Probes:
    """New photos of people who are enrolled; see the module."""
    rng = np.random.default_rng(1)
    vectors = rows.vectors[rng.integers(0, len(rows), count)]
    away = np.zeros_like(vectors)  # has the covariance of the gallery, yet is like nobody in it
    for _ in range(_OTHERS):
        away += rng.standard_normal((count, 1)) * rows.vectors[rng.integers(0, len(rows), count)]
    away -= np.vecdot(away, vectors)[:, None] * vectors
    lengths = np.linalg.norm(away, axis=1, keepdims=True)
    alike = _alike(rows.vectors, rows.labels, rng)
    cosines = rng.choice(alike, count) if len(alike) >= _MATED else rng.uniform(*_COSINES, count)
    cosines = np.where(lengths[:, 0] > 1e-3, cosines, 1.0).astype(np.float32)[:, None]  # nobody else is there
    mixed = cosines * vectors + np.sqrt(1 - cosines**2) * away / np.maximum(lengths, 1e-3)
    return Probes(_unit(mixed), np.full(count, -1, np.int64))


def unenrolled_probes(rows: Segment, count: int) -> Probes:
    """People whose subject is left out of the answers; see the module."""
    chosen = np.random.default_rng(2).integers(0, len(rows), count)
    return Probes(rows.vectors[chosen], rows.labels[chosen])


def _unit(rows: F32) -> F32:
    unit: F32 = np.divide(rows, np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
    return unit


def _alike(vectors: F32, labels: I64, rng: np.random.Generator, most: int = 5000) -> F32:
    """Cosines of pairs of samples of one subject."""
    order = np.argsort(labels, kind="stable")
    pairs = np.flatnonzero(labels[order[1:]] == labels[order[:-1]])
    pairs = rng.permutation(pairs)[:most]
    cosines = np.vecdot(vectors[order[pairs]], vectors[order[pairs + 1]])
    alike: F32 = np.clip(cosines[cosines > 0], 0.0, 1.0)
    return alike


def _answers(index: FaissIndex, probes: Probes, threshold: float) -> list[_Answer]:
    """Per probe the subjects found, best first, without the one that is left out."""
    found: list[_Answer] = []
    step = FEW if index.coding else 64  # larger batches do not go through the codes
    for low in range(0, len(probes.vectors), step):
        part = slice(low, low + step)
        answers = index.search_labels(probes.vectors[part], _K, threshold)
        for (scores, labels), left_out in zip(answers, probes.left_out[part], strict=True):
            keep = labels != left_out
            found.append((scores[keep][: _K - 1], labels[keep][: _K - 1]))
    return found


def _timed(
    index: FaissIndex, exact: FaissIndex, both: Sequence[Probes], threshold: float
) -> tuple[float, float, float]:
    """Median and 95th percentile of one search, and the exact index's median, asked in turn; milliseconds."""
    probes = np.concatenate([kind.vectors[: _TIMED // 2] for kind in both])
    times: list[tuple[float, float]] = []
    for probe in probes:
        begin = time.perf_counter()
        index.search_labels(probe[None], 2, threshold)
        middle = time.perf_counter()
        exact.search_labels(probe[None], 2, threshold)
        times.append((middle - begin, time.perf_counter() - middle))
    mine, theirs = (np.array(column) * 1e3 for column in zip(*times, strict=True))
    p50, p95 = np.quantile(mine, [0.5, 0.95]).round(3).tolist()
    return p50, p95, round(float(np.median(theirs)), 3)


def _compared(
    truth: Sequence[list[_Answer]], answers: Sequence[list[_Answer]], threshold: float
) -> tuple[float, float, int, int]:
    """Recall at 1 for enrolled and unenrolled probes, and how many decisions of each changed."""
    recall, changed = [], []
    for true, given in zip(truth, answers, strict=True):
        pairs = list(zip(true, given, strict=True))
        recall.append(round(float(np.mean([a[1][:1].tolist() == b[1][:1].tolist() for a, b in pairs])), 5))
        changed.append(sum(_reach(a, threshold) != _reach(b, threshold) for a, b in pairs))
    return recall[0], recall[1], changed[0], changed[1]


def _reach(answer: _Answer, threshold: float) -> list[tuple[float, int]]:
    return [pair for pair in zip(answer[0].tolist(), answer[1].tolist(), strict=True) if pair[0] >= threshold]


def _refusal(figures: tuple[float, float, int, int], target_recall: float, p50: float, exact_p50: float) -> str:
    recall, _, changed_enrolled, changed_unenrolled = figures
    if changed := changed_enrolled + changed_unenrolled:
        return f"changes {changed} decisions"
    if recall < target_recall:
        return f"recall {recall} is below {target_recall}"
    return "" if p50 * PAYS <= exact_p50 else "not quick enough to pay"
