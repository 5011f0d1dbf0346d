"""What each way to embed a face costs: aligning and embedding on one thread, in turns; median milliseconds per face.

Every embedder whose networks are installed takes part: each network alone, SFace with flip fusion and with further
crops, and the ensembles among the cards.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from pipeline.align import ARCFACE_112
from pipeline.build import build_recognizer
from pipeline.config import Settings
from pipeline.errors import ModelMissingError
from pipeline.images import Photo, from_array
from pipeline.types import Detections
from pipeline.weights import ModelStore

ZOOMS = (0.94, 1.06)


def run(arguments: list[str]) -> dict:
    parser = argparse.ArgumentParser(prog="bench embedders")
    parser.add_argument("--faces", type=int, default=4, help="in one pass")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args(arguments)
    settings = Settings.load().model_copy(update={"refiner": "none", "flip_fusion": False, "crop_zooms": ()})
    default = Settings().embedder
    changes: list[dict] = [
        {"embedder": default},
        {"embedder": default, "flip_fusion": True},
        {"embedder": default, "crop_zooms": ZOOMS},
        *({"embedder": c.name} for c in ModelStore(settings.models_dir).cards.values() if c.task == "embedder"),
    ]
    embedders = {}
    for change in changes:
        try:
            recognizer = build_recognizer(settings.model_copy(update=change))
        except ModelMissingError:
            continue
        embedders[recognizer.model_id] = (recognizer._aligner, recognizer._embedder)
    photo, found = scene(options.faces)
    ms: dict[str, list[float]] = {name: [] for name in embedders}
    for round_number in range(options.rounds + 1):
        for name, (aligner, embedder) in embedders.items():
            start = time.perf_counter()
            embedder.embed(aligner.align(photo, found))
            if round_number:
                ms[name].append(1000 * (time.perf_counter() - start) / options.faces)
    median = {name: statistics.median(values) for name, values in ms.items()}
    first = next(iter(median.values()))
    return {
        "rounds": options.rounds,
        "faces": options.faces,
        "ms_per_face": median,
        "times_the_default": {name: value / first for name, value in median.items()},
    }


def scene(faces: int) -> tuple[Photo, Detections]:
    """A picture of noise and where faces of about 200 pixels would be in it: what it shows does not change the cost."""
    picture = np.random.default_rng(1).integers(0, 256, (400, 400 * faces, 3), np.uint8)
    landmarks = np.stack([ARCFACE_112 * 2 + [400 * number + 80, 80] for number in range(faces)]).astype(np.float32)
    boxes = np.concatenate([landmarks.min(axis=1) - 40, landmarks.max(axis=1) + 40], axis=1)
    return from_array(picture), Detections(boxes, np.full(faces, 0.9, np.float32), landmarks, picture.shape[:2])
