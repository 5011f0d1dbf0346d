"""Made-up people for the benches: random centres, photos at a cosine of 0.6 to 0.8 to them.

`isotropic` vectors fill all directions alike; `anisotropic` ones have a spectrum that falls like the inverse square
root, which is nearer to real templates.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

from pipeline.gallery.records import NewSample

MODEL = "bench.vectors@00000000"
PHOTOS = 3
_IDENTITIES = 20_000  # made at a time


def people(count: int, dimension: int, seed: int, *, anisotropic: bool = False) -> np.ndarray:
    """Count photos, three to an identity, (count, dimension) float32 unit rows."""
    rows = np.empty((count, dimension), np.float32)
    step = _IDENTITIES * PHOTOS
    for part, low in enumerate(range(0, count, step)):
        centres = np.repeat(_centres(seed, part, dimension, anisotropic), PHOTOS, axis=0)[: count - low]
        rows[low : low + step] = _photos(centres, np.random.default_rng([seed, part, 1]), anisotropic)
    return rows


def new_photos(count: int, dimension: int, seed: int, *, anisotropic: bool = False) -> np.ndarray:
    """One further photo of each of the first `count` identities of `people`."""
    parts = []
    for part in range(-(-count // _IDENTITIES)):
        centres = _centres(seed, part, dimension, anisotropic)
        parts.append(_photos(centres, np.random.default_rng([seed, part, 2]), anisotropic))
    return np.concatenate(parts)[:count]


def _directions(rng: np.random.Generator, count: int, dimension: int, anisotropic: bool) -> np.ndarray:
    rows = rng.standard_normal((count, dimension), dtype=np.float32)
    if anisotropic:
        rows /= np.sqrt(np.arange(1, dimension + 1, dtype=np.float32))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _centres(seed: int, part: int, dimension: int, anisotropic: bool) -> np.ndarray:
    return _directions(np.random.default_rng([seed, part, 0]), _IDENTITIES, dimension, anisotropic)


def _photos(centres: np.ndarray, rng: np.random.Generator, anisotropic: bool) -> np.ndarray:
    count, dimension = centres.shape
    noise = _directions(rng, count, dimension, anisotropic)
    noise -= np.einsum("nd,nd->n", noise, centres)[:, None] * centres
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    cosine = rng.uniform(0.6, 0.8, (count, 1)).astype(np.float32)
    rows = cosine * centres + np.sqrt(1 - cosine**2) * noise
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def samples(vectors: np.ndarray, start: int = 0) -> Iterator[tuple[str, NewSample]]:
    """Enrolments of these vectors, three to a subject."""
    landmarks = np.zeros((5, 2), np.float32)
    for number, vector in enumerate(vectors, start):
        sha = hashlib.sha256(str(number).encode()).hexdigest()
        box = (0.0, 0.0, 100.0, 120.0)
        name = f"subject {number // PHOTOS:07d}"
        yield name, NewSample(f"{number}.jpg", sha, box, landmarks, 0.9, (480, 640), vector, 10.0)


def in_turn(configurations: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Median wall and processor milliseconds of each configuration, after one round that does not count."""
    wall: dict[str, list[float]] = {name: [] for name in configurations}
    cpu: dict[str, list[float]] = {name: [] for name in configurations}
    for number in range(rounds + 1):
        for name, call in configurations.items():
            time.sleep(0.01)  # until the threads of the one before have stopped spinning
            start, start_cpu = time.perf_counter(), time.process_time()
            call()
            if number:
                cpu[name].append(time.process_time() - start_cpu)
                wall[name].append(time.perf_counter() - start)

    def medians(seconds: dict[str, list[float]]) -> dict[str, float]:
        return {name: round(statistics.median(values) * 1e3, 3) for name, values in seconds.items()}

    return {"ms": medians(wall), "cpu_ms": medians(cpu)}
