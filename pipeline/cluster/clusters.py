"""Faces with identities into clusters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.cluster.graph import neighbour_graph
from pipeline.cluster.whispers import chinese_whispers
from pipeline.types import F32

#: Neighbours of a face that are looked at; 16 and 256 give the same on photos (docs/unknowns.md).
NEIGHBOURS = 64


def cluster(
    ids: Sequence[str],
    vectors: F32,
    threshold: float,
    *,
    together: Iterable[Sequence[str]] = (),
    apart: Iterable[tuple[str, str]] = (),
) -> list[tuple[str, ...]]:
    """Divides faces into clusters that show one person each, as far as their scores tell.

    Args:
        ids: N different identities.
        vectors: (N, D) float32 unit rows, in the order of `ids`.
        threshold: Lowest score at which two faces are neighbours, from an operating point.
        together: Groups of faces that are in one cluster; identities that are not in `ids` are passed over.
        apart: Pairs of faces that are not, unless they are together by the above; likewise.

    Returns:
        The clusters, largest first, then by their first face; the faces of each in the order of their identities. The
        same faces give the same clusters in whatever order they come.

    Raises:
        ValueError: An identity occurs twice, or there are not as many as vectors.

    >>> cluster(["b", "a", "c"], np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32), 0.7)
    [('a', 'b'), ('c',)]
    """
    if len(set(ids)) != len(vectors) or len(ids) != len(vectors):
        raise ValueError("every vector needs an identity of its own")
    order = sorted(range(len(ids)), key=ids.__getitem__)
    names = [ids[row] for row in order]
    place = {name: row for row, name in enumerate(names)}
    rows = np.ascontiguousarray(vectors[order])
    labels = chinese_whispers(
        neighbour_graph(rows, threshold, NEIGHBOURS),
        together=[known for group in together if len(known := sorted({place[i] for i in group if i in place})) > 1],
        apart=sorted((place[a], place[b]) for a, b in apart if a in place and b in place),
    )
    members: dict[int, list[str]] = {}
    for name, label in zip(names, labels.tolist(), strict=True):
        members.setdefault(label, []).append(name)
    return sorted(map(tuple, members.values()), key=lambda block: (-len(block), block[0]))
