"""One template per subject, fused over its samples: the quality-weighted mean on the sphere, outliers down-weighted.

The mean direction of unit vectors x_i with weights w_i is m = sum(w_i x_i) / |sum(w_i x_i)|, the estimate of maximum
likelihood of the centre of a von Mises-Fisher distribution (Mardia & Jupp, Directional Statistics, 2000, chapter 10).
One wrong photo drags it, so it is taken as an M-estimate by iterated reweighting (Huber, Robust Statistics, 1981):

    q_i = quality_i / mean quality of the subject's samples; 1 where none was measured
    d_i = |x_i - m|, the chord; s = max(median of d, SCALE)
    r_i = clip((OUT - d_i / s) / (OUT - FULL), 0, 1), a descending weight of the kind of Hampel (1974)
    w_i = q_i r_i

beginning with r = 1. So a sample counts fully up to 1.25 times the usual distance and not at all from twice on. Of two
samples nobody can say which one is the outlier: r stays 1. SCALE keeps copies of
one photo from throwing out every other one: it is the distance of a sample at a cosine of 0.82 from the centre, which
is where two samples of a subject at a cosine of 0.67 to each other lie.

Everything is summed in float64 in the order of the samples' ids, so that a subject's template does not depend on what
else is fused with it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipeline.gallery.index import I64
from pipeline.types import F32, F64

SCALE = 0.6
FULL, OUT = 1.25, 2.0
_ROUNDS = 10
_NO_DIRECTION = 1e-6  # a sum of weighted unit vectors shorter than this points nowhere
_ELEMENTS = 1 << 21  # float64 at a time


def fuse(vectors: F32, quality: F64 | None = None) -> F32:
    """The template of one subject.

    Args:
        vectors: (N, D) float32 unit rows, N at least 1.
        quality: (N,) quality of each sample, higher is better; NaN where it was not measured, below 0 counts as 0.

    Returns:
        (D,) float32 of unit length. One sample is itself. Where the samples cancel each other out it is the one of the
        best quality.

    Raises:
        ValueError: There is no sample.

    >>> fuse(np.eye(2, dtype=np.float32)).round(4).tolist()
    [0.7071, 0.7071]
    """
    if not len(vectors):
        raise ValueError("there is no sample to fuse")
    known = np.full(len(vectors), np.nan) if quality is None else quality
    fused: F32 = _fused(vectors[None], known[None])[0]
    return fused


def fuse_groups(vectors: F32, ids: I64, labels: I64, quality: F64) -> tuple[I64, F32]:
    """The template of each of many subjects.

    Args:
        vectors: (N, D) float32 unit rows.
        ids: (N,) int64 ids of the rows, distinct.
        labels: (N,) int64, the subject of each row.
        quality: (N,), as in `fuse`.

    Returns:
        The subjects (S,) int64, ascending, and their templates (S, D) float32.
    """
    order = np.lexsort((ids, labels))
    subjects, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    fused = np.empty((len(subjects), vectors.shape[1]), np.float32)
    for lines, rows in _of_equal_size(starts, counts, vectors.shape[1]):
        chosen = order[rows]
        fused[lines] = _fused(vectors[chosen], quality[chosen])
    return subjects, fused


_Lines = npt.NDArray[np.intp]


def _of_equal_size(starts: _Lines, counts: _Lines, dimension: int) -> Iterator[tuple[_Lines, _Lines]]:
    """Subjects (S,) with equally many samples, and the places (S, n) of these; few enough at a time for the memory."""
    for count in np.unique(counts).tolist():
        lines = np.flatnonzero(counts == count)
        step = max(1, _ELEMENTS // (count * dimension))
        for low in range(0, len(lines), step):
            part = lines[low : low + step]
            yield part, starts[part, None] + np.arange(count)


def _fused(vectors: F32, quality: F64) -> F32:
    """Templates (S, D) of subjects with n samples each: (S, n, D) and (S, n)."""
    if vectors.shape[1] == 1:
        return vectors[:, 0]
    rows = vectors.astype(np.float64)
    weights = _relative(quality)
    centre = _direction(rows, weights)
    for _ in range(_ROUNDS if rows.shape[1] > 2 else 0):
        chords = np.sqrt(((rows - centre[:, None]) ** 2).sum(axis=-1))
        scale = np.maximum(np.median(chords, axis=1, keepdims=True), SCALE)
        centre = _direction(rows, weights * np.clip((OUT - chords / scale) / (OUT - FULL), 0.0, 1.0))
    return centre.astype(np.float32)


def _relative(quality: F64) -> F64:
    """Quality divided by the mean of what is known of the subject's samples; 1 where nothing is known, or all is 0."""
    known = np.isfinite(quality)
    values = np.where(known, np.maximum(quality, 0.0), 0.0)
    mean = values.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    return np.where(known & (mean > 0), values / np.where(mean > 0, mean, 1.0), 1.0)


def _direction(rows: F64, weights: F64) -> F64:
    """Unit (S, D) of the weighted sums; the row of the greatest weight where a sum points nowhere."""
    sums = (rows * weights[..., None]).sum(axis=1)
    lengths = np.sqrt((sums**2).sum(axis=-1, keepdims=True))
    nowhere = lengths[:, 0] < _NO_DIRECTION
    for line in np.flatnonzero(nowhere):  # of equal weights the first in the order of the numbers, not of the samples
        _, best = max(zip(weights[line].tolist(), rows[line].tolist(), strict=True))
        sums[line] = best
        lengths[line] = np.sqrt((sums[line] ** 2).sum())
    directions: F64 = sums / lengths
    return directions
