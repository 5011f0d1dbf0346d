"""Intervals by resampling subjects.

Comparisons that share a person are not independent, so pairs must not be resampled one by one: that would make the
interval too narrow. Each draw takes as many subjects as there are, with replacement. A subject drawn m times counts m
times: its mated comparisons weigh m, and a non-mated comparison of subjects drawn m and n times weighs m·n (the vertex
bootstrap, Snijders and Borgatti 1999; compared for 1:1 matching by Fogliato, Patil and Perona 2023, arXiv:2306.01198).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.metrics.curves import Counts
from pipeline.types import F64

Codes = npt.NDArray[np.intp]


def pair_weights(drawn: Counts, a: Codes, b: Codes) -> Counts:
    """How often each comparison counts in a draw.

    Args:
        drawn: (S,) int64, how often each subject was drawn.
        a: (N,) subject of one side, in 0..S-1.
        b: (N,) subject of the other; the same as `a` for mated comparisons and for probes.
    """
    weights: Counts = np.where(a == b, drawn[a], drawn[a] * drawn[b])
    return weights


def subject_bootstrap(
    a: Codes,
    b: Codes,
    statistic: Callable[[Counts], F64],
    *,
    draws: int = 1000,
    seed: int = 20260101,
    confidence: float = 0.95,
) -> F64:
    """Percentile intervals of statistics of weighted comparisons.

    To compare two systems, let the statistic be the difference of theirs under the same weights: the draws are paired.

    Args:
        a: (N,) subject of one side of each comparison, in 0..S-1.
        b: (N,) subject of the other side; the same as `a` for mated comparisons and for probes.
        statistic: From (N,) int64 weights to (K,) float64; NaN where a draw leaves it undefined, which is left out.
        draws: How many.
        seed: Of the random draws; the same seed gives the same interval.
        confidence: Of the two-sided intervals.

    Returns:
        (2, K) float64, lower and upper ends; NaN for a statistic that no draw defined.
    """
    count = int(max(a.max(initial=-1), b.max(initial=-1))) + 1
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(draws):
        drawn = np.bincount(rng.integers(0, count, count), minlength=count).astype(np.int64)
        rows.append(np.asarray(statistic(pair_weights(drawn, a, b)), np.float64))
    values = np.stack(rows)
    tail = (1 - confidence) / 2
    ends = np.full((2, values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        defined = values[~np.isnan(values[:, column]), column]
        if len(defined):
            ends[:, column] = np.quantile(defined, [tail, 1 - tail])
    return ends
