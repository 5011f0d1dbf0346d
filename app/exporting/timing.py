"""What a face costs, the exported model beside its source, in turns in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any

from pipeline.embed import NetworkEmbedder
from pipeline.types import AlignedFaces

BATCHES = (1, 32)
ROUNDS = 3


def measure(embedders: Mapping[str, NetworkEmbedder], faces: AlignedFaces) -> list[dict[str, Any]]:
    """Median milliseconds per face of each embedder at each batch, on one thread; the first round warms up.

    Args:
        embedders: By what they are called; each with `max_batch` of at least 32.
        faces: At least 32.
    """
    rows = []
    for batch in BATCHES:
        ms: dict[str, list[float]] = {name: [] for name in embedders}
        for number in range(ROUNDS + 1):
            for name, embedder in embedders.items():
                start = time.perf_counter()
                embedder.embed(faces[:batch])
                if number:
                    ms[name].append(1000 * (time.perf_counter() - start) / batch)
        rows.append({"batch": batch, "ms_per_face": {name: statistics.median(taken) for name, taken in ms.items()}})
    return rows
