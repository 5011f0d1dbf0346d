"""Where and how a gallery is searched, and what a search finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.types.arrays import F32, check

IndexKind = Literal["local", "pgvector", "milvus"]
"""Who searches a gallery: this process, its PostgreSQL, or Milvus."""

IndexMethod = Literal["exact", "hnsw"]
"""How an engine elsewhere searches: every template, or a graph that may miss somebody."""

SubjectScore = Literal["best", "fused"]
"""What a probe is compared with: the best sample of each subject, or one template fused over its samples."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The subjects most like one probe.

    Attributes:
        subjects: Names of K different subjects.
        scores: (K,) float32, descending: each subject's score.
    """

    subjects: tuple[str, ...]
    scores: F32

    def __post_init__(self) -> None:
        check("scores", self.scores, np.float32, (len(self.subjects),))
        if np.any(np.diff(self.scores) > 0):
            raise ValueError("scores must be descending")

    def __len__(self) -> int:
        return len(self.subjects)
