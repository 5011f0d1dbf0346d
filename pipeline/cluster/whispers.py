"""Chinese whispers (Biemann 2006) over a graph of neighbours: every face takes the label most of its neighbours have.

Here it is deterministic: the vectors are visited in their order, a neighbour's vote is its score in whole millionths,
and a tie goes to the lower label. A vector is visited again only when something it depends on has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.cluster.graph import Graph, Ints

Labels = npt.NDArray[np.int64]

#: Rounds after which the labels stay as they are; on photos three to five sufficed (docs/unknowns.md).
ROUNDS = 50


def chinese_whispers(
    graph: Graph, *, together: Iterable[Sequence[int]] = (), apart: Iterable[tuple[int, int]] = ()
) -> Labels:
    """Divides the vectors of a graph into clusters, each of them connected.

    Args:
        graph: Neighbours and their scores.
        together: Groups of vectors that are in one cluster, whatever else is said.
        apart: Pairs of vectors that are not, unless they are together by the above.

    Returns:
        (N,) int64, the lowest number in the cluster of each vector.
    """
    unit = _units(len(graph), together)
    starts, ends, votes = _contracted(graph, unit)
    foes: dict[int, set[int]] = {}
    for a, b in apart:
        one, other = int(unit[a]), int(unit[b])
        if one != other:
            foes.setdefault(one, set()).add(other)
            foes.setdefault(other, set()).add(one)
    labels = np.arange(len(graph))
    voters, stirred = np.flatnonzero(np.diff(starts)), np.ones(len(graph), np.bool_)
    for _ in range(ROUNDS):
        if not stirred[voters].any():
            break
        for node in voters.tolist():
            if not stirred[node]:
                continue
            stirred[node] = False
            near = ends[starts[node] : starts[node + 1]]
            label = _favourite(labels[near], votes[starts[node] : starts[node + 1]], labels, foes.get(node))
            if label is not None and label != labels[node]:
                labels[node] = label
                stirred[near] = True
                stirred[list(foes.get(node, ()))] = True
    return _connected(labels, starts, ends)[unit]


def _units(n: int, together: Iterable[Sequence[int]]) -> Labels:
    """The lowest member of the group of each vector; groups that share a vector are one."""
    unit = np.arange(n)
    for group in together:
        rows = np.isin(unit, unit[list(group)])
        unit[rows] = unit[rows].min(initial=n)
    return unit


def _contracted(graph: Graph, unit: Labels) -> tuple[Labels, Ints, npt.NDArray[np.int32]]:
    """The graph between groups, each at the place of its lowest member: (starts, neighbours, scores)."""
    one = unit[np.repeat(np.arange(len(graph)), np.diff(graph.starts))]
    other = unit[graph.neighbours].astype(np.int32)
    kept = one != other
    one, other, scores = one[kept], other[kept], graph.scores[kept]
    order = np.argsort(one, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(one, minlength=len(graph)))])
    return starts, other[order], scores[order]


def _favourite(near: Labels, votes: npt.NDArray[np.int32], labels: Labels, foes: set[int] | None) -> int | None:
    """The label with most votes that no foe has; None where there is none."""
    order = np.argsort(near, kind="stable")
    near, votes = near[order], votes[order]
    first = np.flatnonzero(np.concatenate([[True], near[1:] != near[:-1]]))
    found, sums = near[first], np.add.reduceat(votes.astype(np.int64), first)
    if foes:
        free = ~np.isin(found, labels[list(foes)])
        found, sums = found[free], sums[free]
    return int(found[np.argmax(sums)]) if len(found) else None


def _connected(labels: Labels, starts: Labels, ends: Ints) -> Labels:
    """The lowest node that each one is connected with through nodes of its own label."""
    one = np.repeat(np.arange(len(labels)), np.diff(starts))
    inner = labels[one] == labels[ends]
    one, other = one[inner], ends[inner]
    lowest = np.arange(len(labels))
    while True:
        below = lowest.copy()
        np.minimum.at(below, one, lowest[other])
        below = below[below]
        if np.array_equal(below, lowest):
            return lowest
        lowest = below
