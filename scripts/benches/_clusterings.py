"""The ways to cluster that `scripts/bench clustering` compares; each gives (N,) labels."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np

from pipeline.cluster import NEIGHBOURS, chinese_whispers, neighbour_graph

Labels = np.ndarray
Method = Callable[[np.ndarray, float], Labels]


def whispers(vectors: np.ndarray, threshold: float) -> Labels:
    """What Knownface does."""
    return chinese_whispers(neighbour_graph(vectors, threshold, NEIGHBOURS))


def components(vectors: np.ndarray, threshold: float) -> Labels:
    """Whoever is reached over neighbours is the same person."""
    graph = neighbour_graph(vectors, threshold, NEIGHBOURS)
    labels = np.arange(len(vectors))
    ends = np.repeat(np.arange(len(vectors)), np.diff(graph.starts))
    while True:
        below = labels.copy()
        np.minimum.at(below, ends, labels[graph.neighbours])
        below = below[below]
        if np.array_equal(below, labels):
            return labels
        labels = below


def hdbscan(vectors: np.ndarray, _threshold: float) -> Labels:
    """HDBSCAN (Campello et al. 2013) by scikit-learn; it takes no threshold, and who is noise is alone."""
    from sklearn.cluster import HDBSCAN

    found = HDBSCAN(min_cluster_size=2, min_samples=1, algorithm="brute", copy=True).fit(vectors).labels_.copy()
    noise = found < 0
    found[noise] = found.max() + 1 + np.arange(noise.sum())
    return found


def average_linkage(vectors: np.ndarray, threshold: float) -> Labels:
    """Average linkage (UPGMA; Sokal and Michener 1958) over the graph.

    The mean score of two clusters is exact: the product of their sums over the product of their sizes. Only neighbours
    are looked at, and nothing is lost by that: the mean of a union lies between those of its parts.
    """
    return _Linkage(vectors, threshold).run()


class _Linkage:
    """Clusters go by their lowest vector; a version tells pairs that are out of date."""

    def __init__(self, vectors: np.ndarray, threshold: float) -> None:
        self.threshold, self.graph = threshold, neighbour_graph(vectors, threshold, NEIGHBOURS)
        n = len(vectors)
        self.sums, self.sizes = vectors.astype(np.float64), np.ones(n)
        self.parent, self.version = np.arange(n), np.zeros(n, np.int64)
        self.near: dict[int, np.ndarray] = {}

    def roots(self, rows: np.ndarray) -> np.ndarray:
        found = self.parent[rows]
        while not np.array_equal(found, above := self.parent[found]):
            found = above
        return found

    def near_of(self, a: int) -> np.ndarray:
        own = self.graph.neighbours[self.graph.starts[a] : self.graph.starts[a + 1]]
        return self.near.pop(a, own)

    def run(self) -> Labels:
        ends = np.repeat(np.arange(len(self.parent)), np.diff(self.graph.starts))
        once = ends < self.graph.neighbours
        columns = -self.graph.scores[once] / 1e6, ends[once], self.graph.neighbours[once]
        heap = [(*pair, 0, 0) for pair in zip(*(column.tolist() for column in columns), strict=True)]
        heapq.heapify(heap)
        while heap:
            _, a, b, version_a, version_b = heapq.heappop(heap)
            if (self.version[a], self.version[b]) == (version_a, version_b):
                for score, other in self.joined(a, b):
                    low, high = min(a, other), max(a, other)
                    heapq.heappush(heap, (-score, low, high, int(self.version[low]), int(self.version[high])))
        return self.roots(np.arange(len(self.parent)))

    def joined(self, a: int, b: int) -> list[tuple[float, int]]:
        """Joins b to a; the pairs of the union that reach the threshold."""
        near = np.concatenate([self.near_of(a), self.near_of(b)])
        self.sums[a] += self.sums[b]
        self.sizes[a] += self.sizes[b]
        self.parent[b] = a
        self.version[[a, b]] += 1
        near = np.unique(self.roots(near))
        near = near[near != a]
        means = (self.sums[near] @ self.sums[a]) / (self.sizes[near] * self.sizes[a])
        reached = means >= self.threshold
        self.near[a] = near[reached]
        return list(zip(means[reached].tolist(), near[reached].tolist(), strict=True))


METHODS: dict[str, Method] = {
    "chinese whispers": whispers,
    "average linkage": average_linkage,
    "connected components": components,
    "hdbscan": hdbscan,
}
