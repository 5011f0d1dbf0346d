"""The alternatives that `scripts/bench clustering` measures against are what they say, by SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from pipeline.metrics import bcubed
from scripts.benches._clusterings import average_linkage, components


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.2, 0.35, 0.5])
def test_average_linkage_and_components_are_those_of_scipy(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = np.repeat(rng.standard_normal((12, 16)), 5, axis=0) + 0.7 * rng.standard_normal((60, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    scores = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    distances = 1 - scores[np.triu_indices(60, 1)]
    wanted = fcluster(linkage(distances, "average"), 1 - threshold, "distance")
    assert 1 < len(set(wanted)) < 60
    assert bcubed(average_linkage(vectors, threshold), wanted).f == pytest.approx(1.0)
    _, wanted = connected_components(csr_matrix(scores >= threshold))
    assert bcubed(components(vectors, threshold), wanted).f == pytest.approx(1.0)
