"""Which rows of a segment are worth an exact score: by a scan of all vectors, or by a first pass over their codes.

Both say what they left out: a scan's scores are good to `SCAN_ERROR`; of a first pass `codes.unexamined` tells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.gallery.codes import Codes, unexamined
from pipeline.gallery.scan import inner_products, scan
from pipeline.gallery.segments import Rows, Segment
from pipeline.gallery.settle import NO_SCORE, NOBODY_ELSE
from pipeline.gallery.workers import share
from pipeline.types import F32, F64

FEW = 16
"""So many queries at once go through the codes; more are answered as quickly by one product with all vectors."""

_WORTHWHILE = 16  # a first pass that would examine more than one row in so many is no quicker than the exact scan


def shortlist(segment: Segment, queries: F32, fetch: int, first: int, floor: float) -> tuple[Rows, F64]:
    """The rows that may be among the `fetch` best of each query.

    Args:
        segment: Where to look; one with codes is looked through by them if that is quicker.
        queries: (Q, D) float32 unit rows.
        fetch: How many rows per query.
        first: How many rows a first pass examines, at least `fetch`; 0: none.
        floor: Who scores less does not matter to whoever asks.

    Returns:
        rows (Q, K), K at least `fetch` where there are as many, and (Q,) bounds: no other row's score exceeds its
        query's, but for the error of the scan, and, after a first pass, the probability stated in `codes`, and except
        that a bound below the floor stands for the floor.
    """
    if first and segment.codes is not None and len(queries) <= FEW and first * _WORTHWHILE <= segment.count:
        found = _by_codes(segment, segment.codes, queries, min(fetch, len(segment)), first, floor)
        if found is not None:
            return found
    rows, scores = scan(segment.vectors[: segment.count], queries, fetch, segment.dead)
    if rows.shape[1] == len(segment):
        return rows, np.full(len(queries), NOBODY_ELSE)
    return rows, scores.min(axis=1).astype(np.float64)


def _by_codes(
    segment: Segment, codes: Codes, queries: F32, fetch: int, first: int, floor: float
) -> tuple[Rows, F64] | None:
    """As `shortlist`; None where too many of the rows with the best estimates are dead."""
    rotated = codes.rotated(queries)
    parts = share(
        lambda number: _of_shard(segment, codes.nearest(number, rotated, first), queries, fetch), codes.shards
    )
    estimates = np.max([part.estimates for part in parts], axis=0).astype(np.float64)
    bounds = unexamined(estimates, codes.bits)
    bounds[bounds < floor] = NO_SCORE
    rows = np.empty((len(queries), fetch), np.intp)
    for line in range(len(queries)):
        found = np.concatenate([part.rows[line] for part in parts])
        scores = np.concatenate([part.scores[line] for part in parts])
        if len(found) < fetch:
            return None
        best = np.argpartition(scores, len(found) - fetch)[len(found) - fetch :]
        rows[line] = found[best]
        if len(found) > fetch or any(part.more[line] for part in parts):
            bounds[line] = max(bounds[line], float(scores[best].min()))
    return rows, bounds


class _Part(NamedTuple):
    """What one shard has to offer to each query: its `fetch` best rows, and whether it examined more."""

    rows: list[Rows]
    scores: list[F32]
    more: list[bool]
    estimates: F32


def _of_shard(segment: Segment, nearest: tuple[Rows, F32], queries: F32, fetch: int) -> _Part:
    found = _Part([], [], [], nearest[1])
    for examined, query in zip(nearest[0], queries, strict=True):
        live = examined[~np.isin(examined, segment.dead)] if len(segment.dead) else examined
        scores = inner_products(segment.vectors, live, query)
        more = len(live) > fetch
        best = np.argpartition(scores, len(live) - fetch)[len(live) - fetch :] if more else slice(None)
        found.rows.append(live[best])
        found.scores.append(scores[best])
        found.more.append(more)
    return found
