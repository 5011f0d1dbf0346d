"""Random sets of scores for the metrics, with ties."""

from __future__ import annotations

import numpy as np

SETS = 1000


def random_sets(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Mated and non-mated scores; on a coarse grid, so that ties abound, in four sets of five."""
    rng = np.random.default_rng(seed)
    sets = []
    for _ in range(SETS):
        mated = rng.normal(rng.uniform(0, 0.8), 0.2, rng.integers(1, 30))
        non_mated = rng.normal(0.1, 0.2, rng.integers(1, 60))
        digits = int(rng.integers(1, 6))
        sets.append((mated.round(digits), non_mated.round(digits)))
    return sets


def share(scores: np.ndarray, threshold: float) -> float:
    return sum(1 for s in scores if s >= threshold) / len(scores)
