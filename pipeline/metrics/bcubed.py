"""How good a clustering is, against people who are known: BCubed and pairwise precision, recall and F.

BCubed (Bagga and Baldwin 1998) asks each face about its own cluster and averages over faces, so neither large clusters
nor large classes outweigh the rest; Amigó et al. 2009 show that of the usual measures it alone meets all four
constraints on clusterings. Pairwise figures count pairs of faces, and so mostly those of the people with most faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.types import F64

Labels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Precision, recall and their harmonic mean, in [0, 1].

    Attributes:
        precision: How much of what is in one cluster belongs together.
        recall: How much of what belongs together is in one cluster.
        f: 2PR / (P + R); 0 where both are 0.
    """

    precision: float
    recall: float

    @property
    def f(self) -> float:
        """The harmonic mean."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def bcubed(clusters: Labels, people: Labels) -> Agreement:
    """BCubed precision and recall (Amigó et al. 2009, section 3.4); a face is compared with itself too.

    Args:
        clusters: (N,) the cluster of each face, N at least 1.
        people: (N,) whom each face shows.

    Raises:
        ValueError: The two differ in length, or there are no faces.

    >>> bcubed(np.array([1, 1, 2]), np.array(["ann", "ann", "ann"])).recall  # (2/3 + 2/3 + 1/3) / 3
    0.5555555555555556
    """
    both, cluster_sizes, person_sizes = _table(clusters, people)
    squares, n = both.counts**2, len(clusters)
    precision = float(np.sum(squares / cluster_sizes[both.clusters]) / n)
    recall = float(np.sum(squares / person_sizes[both.people]) / n)
    return Agreement(min(1.0, precision), min(1.0, recall))


def pairwise(clusters: Labels, people: Labels) -> Agreement:
    """Share of the pairs in one cluster that show one person, and of the pairs of one person that are in one cluster.

    Where there are no such pairs the share is 1: nothing was put together wrongly, nothing was missed. Arguments and
    errors are those of `bcubed`.
    """
    both, cluster_sizes, person_sizes = _table(clusters, people)
    right, made, wanted = _pairs(both.counts), _pairs(cluster_sizes), _pairs(person_sizes)
    return Agreement(right / made if made else 1.0, right / wanted if wanted else 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """The cells of the contingency table that are not empty."""

    clusters: npt.NDArray[np.intp]
    people: npt.NDArray[np.intp]
    counts: F64


def _table(clusters: Labels, people: Labels) -> tuple[_Cells, F64, F64]:
    """The cells, and the sizes of clusters and of people."""
    if len(clusters) != len(people) or not len(clusters):
        raise ValueError("a cluster and a person are needed for each of at least one face")
    _, one = np.unique(clusters, return_inverse=True)
    _, other = np.unique(people, return_inverse=True)
    width = int(other.max()) + 1
    cells, counts = np.unique(one.astype(np.int64) * width + other, return_counts=True)
    sizes = np.bincount(one).astype(np.float64), np.bincount(other).astype(np.float64)
    return _Cells(cells // width, cells % width, counts.astype(np.float64)), *sizes


def _pairs(sizes: F64) -> float:
    return float(np.sum(sizes * (sizes - 1) / 2))
