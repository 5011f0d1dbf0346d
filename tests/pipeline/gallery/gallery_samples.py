"""Made-up samples, one per key: the same key is the same photo and the same face."""

from __future__ import annotations

import hashlib

import numpy as np

from pipeline.gallery.records import NewSample
from pipeline.types import Templates

MODEL = "test.unit@00000000"
DIMENSION = 32


def vector_of(key: object, dimension: int = DIMENSION) -> np.ndarray:
    """A unit vector that belongs to the key."""
    seed = int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8])
    row = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return row / np.linalg.norm(row)


def sample_of(key: object, dimension: int = DIMENSION, **changes: object) -> NewSample:
    """A sample whose photo and vector belong to the key."""
    values = {
        "source": f"photos/{key}.jpg",
        "photo_sha256": hashlib.sha256(repr(key).encode()).hexdigest(),
        "box": (10.0, 20.0, 110.0, 150.0),
        "landmarks": np.arange(10, dtype=np.float32).reshape(5, 2),
        "confidence": 0.9,
        "image_hw": (480, 640),
        "vector": vector_of(key, dimension),
        "norm": 12.5,
        "crop": None,
        "quality": None,
    }
    return NewSample(**{**values, **changes})


def probe_of(*keys: object, model_id: str = MODEL, dimension: int = DIMENSION) -> Templates:
    """Templates equal to the keys' vectors."""
    vectors = np.stack([vector_of(key, dimension) for key in keys])
    return Templates(vectors, np.ones(len(keys), np.float32), model_id)


def best(gallery, *keys):
    return [found.subjects[0] if found.subjects else None for found in gallery.search(probe_of(*keys))]
