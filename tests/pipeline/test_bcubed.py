"""pipeline.metrics.bcubed against its definition, face by face, and scikit-learn's count of pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.cluster import pair_confusion_matrix

from pipeline.metrics import bcubed, pairwise

LABELLED = st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abcde")), min_size=1, max_size=30)


def by_definition(clusters: list[int], people: list[str]) -> tuple[float, float]:
    """Amigó et al. 2009: for each face, over the faces of its cluster (of its person), itself included."""
    n = len(clusters)
    precision, recall = [], []
    for i in range(n):
        mine = [j for j in range(n) if clusters[j] == clusters[i]]
        same = [j for j in range(n) if people[j] == people[i]]
        precision.append(sum(people[j] == people[i] for j in mine) / len(mine))
        recall.append(sum(clusters[j] == clusters[i] for j in same) / len(same))
    return sum(precision) / n, sum(recall) / n


@given(LABELLED)
def test_bcubed_is_its_definition(pairs: list[tuple[int, str]]) -> None:
    clusters, people = [c for c, _ in pairs], [p for _, p in pairs]
    found = bcubed(np.array(clusters), np.array(people))
    precision, recall = by_definition(clusters, people)
    assert (found.precision, found.recall) == pytest.approx((precision, recall))
    assert found.f == pytest.approx(2 * precision * recall / (precision + recall))
    swapped = bcubed(np.array(people), np.array(clusters))
    assert (swapped.recall, swapped.precision) == pytest.approx((precision, recall))


@given(LABELLED)
def test_pairwise_counts_pairs(pairs: list[tuple[int, str]]) -> None:
    clusters, people = np.array([c for c, _ in pairs]), np.array([p for _, p in pairs])
    found = pairwise(clusters, people)
    right = sum(clusters[i] == clusters[j] and people[i] == people[j] for i, j in combinations(range(len(pairs)), 2))
    (_, wrongly_joined), (missed, joined) = pair_confusion_matrix(people, clusters)
    assert joined == 2 * right
    assert found.precision == pytest.approx(joined / (joined + wrongly_joined) if joined + wrongly_joined else 1)
    assert found.recall == pytest.approx(joined / (joined + missed) if joined + missed else 1)


def test_one_cluster_and_no_clusters_are_the_two_extremes() -> None:
    people = np.repeat(np.arange(5), 4)
    together, alone = bcubed(np.zeros(20), people), bcubed(np.arange(20), people)
    assert (together.precision, together.recall) == (0.2, 1.0)
    assert (alone.precision, alone.recall) == (1.0, 0.25)
    assert bcubed(people, people).f == pairwise(people, people).f == 1.0
    assert pairwise(np.arange(20), people).f == 0.0


def test_labels_must_fit() -> None:
    for measure in (bcubed, pairwise):
        with pytest.raises(ValueError, match="at least one face"):
            measure(np.zeros(0), np.zeros(0))
        with pytest.raises(ValueError, match="at least one face"):
            measure(np.zeros(2), np.zeros(3))
