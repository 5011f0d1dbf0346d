"""Which clustering of unknown faces is best, and how long it takes: BCubed F on labelled photos, thresholds of others.

Every method at every operating point that could say who is alike; HDBSCAN, which takes none, once. No threshold was
fitted on the people it is scored on: for faces-112 those of the card are used (people of lfw-dev); lfw-dev is cut
into halves by people, each clustered with the thresholds of the other. `crowd to choose by` (faces-112/train and a half
of lfw-dev together) is what method and point were chosen on; `crowd to confirm` has nobody of it. Then seconds for made
faces, and how many of a person's faces are recognised once so many of them are enrolled.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from app.calibration import from_folder
from app.services import Services
from app.unknowns.naming import choose
from pipeline.calibration.comparisons import compare_all
from pipeline.calibration.thresholds import fit_identify, fit_verify
from pipeline.cluster import cluster
from pipeline.config import Settings
from pipeline.decide import choose_identify_point
from pipeline.errors import ConfigError
from pipeline.metrics import bcubed, pairwise
from pipeline.types import AlignedFaces
from scripts.benches._clusterings import METHODS

LARGEST = 10_000
#: Points by task and rate; those of 1:N for the largest gallery of the card.
POINTS = [("verify", 1e-2), ("verify", 1e-3), ("verify", 1e-4), ("identify", 0.1), ("identify", 0.01)]
MOST_HDBSCAN = 12_000
"""More faces would take it the square of them in memory."""


def run(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="bench clustering")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 50_000])
    parser.add_argument("--no-photos", action="store_true", help="only seconds for made faces")
    options = parser.parse_args(arguments)
    result: dict[str, Any] = {}
    if not options.no_photos:
        if not (options.data / "lfw-dev").is_dir():
            raise ConfigError(
                f"{options.data}: there is no lfw-dev; name the folder of the research photos with --data"
            )
        services = Services(Settings.load())
        card = {f"{task} {rate:g}": _of_card(services, task, rate) for task, rate in POINTS}
        parts = halves(services, options.data / "lfw-dev" / "images")
        crowds = {"train": "crowd to choose by", "test": "crowd to confirm"}
        for (part, crowd), (vectors, people, thresholds) in zip(crowds.items(), parts, strict=True):
            crops, norms, shown = crops_of(services, options.data / "faces-112" / part)
            result[f"faces-112/{part}"] = scored([(crops, shown, card)])
            both = np.concatenate([crops, vectors]), np.concatenate([shown, people.astype(str)])
            result[crowd] = scored([(*both, thresholds)])
        threshold = choose_identify_point(services.points, services.recognizer.model_id, 0.01, 40).threshold
        result["recognised_after_naming"] = named(crops, norms, shown, threshold)
        result["lfw-dev"] = scored(parts)
    result["made"] = {str(size): timed(size) for size in options.sizes}
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return result


def _of_card(services: Services, task: str, rate: float) -> float:
    sizes = (None,) if task == "verify" else (LARGEST,)
    found = [p for p in services.points if p.task == task and p.gallery_size in sizes and p.wanted == rate]
    return found[0].threshold


def crops_of(services: Services, folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Templates, norms and people of FOLDER/ID/*.jpg, which are crops already."""
    files = sorted(folder.glob("*/*.jpg"))
    vectors, norms = [], []
    for low in range(0, len(files), 64):
        crops = np.stack([cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in files[low : low + 64]])
        made = services.recognizer.embed_aligned(AlignedFaces(crops, np.zeros((len(crops), 2, 3), np.float32)))
        vectors.append(made.vectors)
        norms.append(made.norms)
    return np.concatenate(vectors), np.concatenate(norms), np.array([f"crop {file.parent.name}" for file in files])


def halves(services: Services, folder: Path) -> list[tuple[np.ndarray, np.ndarray, dict[str, float]]]:
    """Each half of the people, with the thresholds of the other half."""
    photos = from_folder(services, folder).photos
    vectors, owners = photos.vectors[photos.usable], photos.owners[photos.usable]
    side = np.random.default_rng(1).permutation(owners.max() + 1)[owners] % 2
    parts = [compare_all(vectors[side == k], owners[side == k], np.ones((side == k).sum(), bool)) for k in (0, 1)]
    found = []
    for k in (0, 1):
        other, own = parts[1 - k], parts[k]  # `own` would only measure what the threshold does; it chooses nothing
        thresholds = {
            f"{task} {rate:g}": fit_verify(other.verify, own.verify, rate)[0]
            if task == "verify"
            else fit_identify(other.search, own.search, rate, LARGEST).threshold
            for task, rate in POINTS
        }
        found.append((vectors[side == k], owners[side == k], thresholds))
    return found


def scored(parts: list[tuple[np.ndarray, np.ndarray, dict[str, float]]]) -> dict[str, Any]:
    """BCubed of each method at each point, all parts together; faces in an order of chance, as by their hash."""
    rng = np.random.default_rng(0)
    parts = [(v[order], p[order], t) for v, p, t in parts for order in [rng.permutation(len(p))]]
    result: dict[str, Any] = {"faces": sum(len(people) for _, people, _ in parts)}
    for method, labels_of in METHODS.items():
        for point in parts[0][2] if method != "hdbscan" else [""]:
            labels, everybody, first = [], [], 0
            for vectors, people, thresholds in parts:
                labels.append(labels_of(vectors, thresholds.get(point, 0.0)) + first)
                first += 10 * len(people)
                everybody.append(people)
            one, other = np.concatenate(labels), np.concatenate(everybody)
            found, pairs = bcubed(one, other), pairwise(one, other)
            result[f"{method} {point}".strip()] = {
                "threshold": [part[2].get(point) for part in parts],
                "precision": found.precision,
                "recall": found.recall,
                "f": found.f,
                "pairwise_f": pairs.f,
            }
    return result


def named(vectors: np.ndarray, norms: np.ndarray, people: np.ndarray, threshold: float) -> dict[str, float]:
    """Share of each person's faces that reach the threshold once so many of them are enrolled; the mean of people."""
    result = {}
    for most in (1, 2, 3, 5, 8, 12):
        shares = []
        for person in np.unique(people):
            rows = np.flatnonzero(people == person)
            faces = [
                SimpleNamespace(quality=None, norm=float(norms[r]), face_id=f"{r:06d}", sha256=str(r)) for r in rows
            ]
            chosen = choose(faces, vectors[rows], most)  # type: ignore[arg-type]
            shares.append(float(((vectors[rows] @ vectors[rows[chosen]].T).max(axis=1) >= threshold).mean()))
        result[str(most)] = float(np.mean(shares))
    return result


def timed(size: int) -> dict[str, Any]:
    """Seconds for made people with 1 to many faces (128-d; two of one person score 0.6 on average)."""
    rng = np.random.default_rng(size)
    people = np.minimum(rng.zipf(1.6, size), 200).cumsum()
    owners = np.searchsorted(people, np.arange(size), side="right")
    centres = rng.standard_normal((owners.max() + 1, 128)).astype(np.float32)
    vectors = centres[owners] + np.sqrt(2 / 3).astype(np.float32) * rng.standard_normal((size, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    result: dict[str, Any] = {"people": int(owners.max()) + 1}
    for method, labels_of in METHODS.items():
        if method == "hdbscan" and size > MOST_HDBSCAN:
            continue
        start = time.perf_counter()
        labels = labels_of(vectors, 0.4767)
        result[method] = {"seconds": time.perf_counter() - start, "f": bcubed(labels, owners).f}
    start = time.perf_counter()
    cluster([f"{row:08d}" for row in range(size)], vectors, 0.4767)
    return result | {"whole_s": time.perf_counter() - start}
