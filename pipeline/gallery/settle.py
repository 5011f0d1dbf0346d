"""From candidates to an exact answer: how far an index must be asked until nobody else can be among the k best."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.gallery.index import I64, SCAN_ERROR
from pipeline.types import F32

NO_SCORE = -3.0
"""Below every cosine."""

NOBODY_ELSE = 3 * NO_SCORE
"""The bound where no row is left out."""

SPARE = 14
"""Rows fetched at first beyond k, so that the exact scores can settle who is k-th."""

_QUERIES = 256  # at a time

Fetched = tuple[F32, I64, I64, list[float]]
Fetch = Callable[[F32, int], Fetched]
"""Of (Q, D) queries and a count: exact scores, ids and labels (Q, K), best first, of at least `count` candidates, and Q
bounds that the approximate scores of all other rows do not exceed; NOBODY_ELSE where there are none."""

Answer = tuple[int, F32, I64, I64]
"""Number of the query; scores, ids and labels, best first."""


def settle(fetch: Fetch, queries: F32, k: int, *, by_label: bool) -> Iterator[Answer]:
    """Per query its k best rows, or the best rows of its k best labels, in no order; nothing where k is 0."""
    for start in range(0, len(queries) if k else 0, _QUERIES):
        count = k + SPARE
        waiting = list(range(start, min(start + _QUERIES, len(queries))))
        while waiting:
            scores, ids, labels, others = fetch(queries[waiting], count)
            unsettled = []
            for line, query in enumerate(waiting):
                chosen = _first_of_each(labels[line].tolist(), k) if by_label else list(range(min(k, ids.shape[1])))
                worst = scores[line, chosen[-1]] if len(chosen) == k else NO_SCORE
                if worst > others[line] + 2 * SCAN_ERROR:
                    yield query, scores[line, chosen], ids[line, chosen], labels[line, chosen]
                else:
                    unsettled.append(query)
            waiting = unsettled
            count *= 8


def _first_of_each(labels: list[int], k: int) -> list[int]:
    """Positions where the first k different labels stand first."""
    seen: set[int] = set()
    positions = []
    for position, label in enumerate(labels):
        if label not in seen:
            seen.add(label)
            positions.append(position)
            if len(positions) == k:
                break
    return positions
