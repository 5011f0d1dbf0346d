"""Fits the unified quality score to a folder of people, and shows on other people whether it knows what will fail.

    python -m scripts.quality FOLDER --out DIR      FOLDER/PERSON/*.jpg; writes quality.toml, quality.json, quality.svg

Every photo is used as it is and once degraded (blur, few pixels, too dark or bright, JPEG, motion, little contrast with
noise), because good photos alone hardly ever fail. Each is compared with every other photo of its person as it is. Half
of the people give the fit for the other half's curve; the coefficients that are printed are of all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import minimize

from app.evaluation import charts
from app.photos import photos_in
from pipeline.build import build_recognizer
from pipeline.config import Settings
from pipeline.errors import PhotoError
from pipeline.images import from_array, open_photo
from pipeline.metrics import error_versus_discard
from pipeline.quality.assess import component_values
from pipeline.quality.fit import features
from pipeline.quality.measures import native
from pipeline.types import QualityFit
from pipeline.weights.toml_out import to_toml

FMR_OF_THE_FIT, PENALTY = 1e-3, 1e-3
SHARES = tuple(np.linspace(0, 0.4, 41).round(2).tolist())
RATES = (1e-2, 1e-3)
FEATURES = ("confidence", "sharpness", "dynamic_range", "under_exposure", "illumination", "yaw", "pitch")


@dataclass
class Photos:
    """What was measured: a row for every photo in which a face was found."""

    vectors: np.ndarray
    features: dict[str, np.ndarray]
    people: np.ndarray
    files: np.ndarray
    degraded: np.ndarray
    missed: int

    def half(self) -> np.ndarray:
        return np.array([hashlib.sha256(str(name).encode()).digest()[0] % 2 for name in self.people])


def degrade(rgb: np.ndarray, kind: int, rng: np.random.Generator) -> np.ndarray:
    """One of six ways in which photos are spoilt."""
    if kind == 0:
        return cv2.GaussianBlur(rgb, (0, 0), rng.uniform(1, 4.5))
    if kind == 1:
        small = cv2.resize(rgb, None, fx=(scale := rng.uniform(0.12, 0.4)), fy=scale, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, rgb.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    if kind == 2:
        gamma = rng.uniform(2.5, 6) if rng.random() < 0.5 else rng.uniform(0.12, 0.35)
        return _noisy(255 * (rgb / 255) ** gamma, 3, rng)
    if kind == 3:
        _, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(3, 15))])
        return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    if kind == 4:
        size = int(rng.integers(7, 17))
        kernel = np.zeros((size, size), np.float32)
        kernel[size // 2] = 1
        turn = cv2.getRotationMatrix2D(((size - 1) / 2,) * 2, rng.uniform(0, 180), 1)
        kernel = cv2.warpAffine(kernel, turn, (size, size))
        return cv2.filter2D(rgb, -1, kernel / kernel.sum())
    share = rng.uniform(0.1, 0.4)
    return _noisy(rgb * share + 255 * (1 - share) * rng.uniform(0.2, 0.8), 8, rng)


def _noisy(values: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return np.clip(values + rng.normal(0, sigma, values.shape), 0, 255).astype(np.uint8)


def measure(folder: Path, settings: Settings) -> Photos:
    """Embeds every photo of a folder twice: as it is, and degraded."""
    recognizer = build_recognizer(settings)
    files = [
        (person.name, file) for person in sorted(folder.iterdir()) if person.is_dir() for file in photos_in(person)
    ]
    rows: list[tuple] = []

    def opened(item: tuple[int, bool]):
        number, spoil = item
        photo = open_photo(files[number][1])
        if not spoil:
            return photo
        spoilt = degrade(photo.pixels(), number % 6, np.random.default_rng(number))
        return from_array(np.ascontiguousarray(spoilt), photo.source)

    items = [(number, spoil) for number in range(len(files)) for spoil in (False, True)]
    for done, ((number, spoil), faces) in enumerate(recognizer.stream(items, opened, workers=settings.worker_count)):
        if done % 500 == 0:
            print(f"{done} of {len(items)}", flush=True)
        if isinstance(faces, PhotoError) or not len(faces):
            continue
        one = slice(0, 1)
        measured = native(faces.detections[[0]], faces.aligned[one], None)
        seen = features(component_values(measured), faces.templates.norms[one], faces.detections.confidences[one])
        rows.append((faces.templates.vectors[0], {k: v[0] for k, v in seen.items()}, *files[number], spoil))
    return Photos(
        np.stack([row[0] for row in rows]),
        {name: np.array([row[1][name] for row in rows]) for name in rows[0][1]},
        np.array([row[2] for row in rows]),
        np.array([str(row[3]) for row in rows]),
        np.array([row[4] for row in rows]),
        len(items) - len(rows),
    )


class Comparisons:
    """Every photo with every good photo."""

    def __init__(self, photos: Photos) -> None:
        self.photos, self.good = photos, np.flatnonzero(~photos.degraded)
        self.scores = photos.vectors @ photos.vectors[self.good].T
        same = photos.people[:, None] == photos.people[self.good][None]
        self.mated = same & (photos.files[:, None] != photos.files[self.good][None])
        self.non_mated = ~same

    def threshold(self, rows: np.ndarray, fmr: float) -> float:
        """The lowest score with at most this share of the non-mated scores among these people at or above it."""
        rows_good = rows[self.good]
        own = rows & ~self.photos.degraded
        found = np.sort(self.scores[np.ix_(own, rows_good)][self.non_mated[np.ix_(own, rows_good)]])
        return float(np.nextafter(found[-1 - int(fmr * len(found))], 2))

    def pairs(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.nonzero(self.mated & rows[:, None])


def fit(comparisons: Comparisons, rows: np.ndarray, names: tuple[str, ...]) -> QualityFit:
    """Penalised logistic regression with weights of at least 0; every photo counts once."""
    table = np.stack([comparisons.photos.features[name] for name in names], axis=1)
    mean, deviation = table[rows].mean(0), table[rows].std(0) + 1e-9
    table = (table - mean) / deviation
    probe, other = comparisons.pairs(rows)
    reached = comparisons.scores[probe, other] >= comparisons.threshold(rows, FMR_OF_THE_FIT)
    weight = 1 / comparisons.mated[probe].sum(1)
    weight /= weight.sum()

    def loss(b: np.ndarray) -> tuple[float, np.ndarray]:
        z = table[probe] @ b[1:] + b[0]
        residual = weight * (1 / (1 + np.exp(-z)) - reached)
        value = (weight * (np.logaddexp(0, z) - reached * z)).sum() + PENALTY * (b[1:] ** 2).sum()
        return value, np.r_[residual.sum(), table[probe].T @ residual + 2 * PENALTY * b[1:]]

    bounds = [(None, None)] + [(0, None)] * len(names)
    found = minimize(loss, np.r_[2.0, np.zeros(len(names))], jac=True, bounds=bounds, method="L-BFGS-B").x
    slopes = found[1:] / deviation
    chosen = {name: float(f"{slope:.6g}") for name, slope in zip(names, slopes, strict=True) if slope > 0}
    return QualityFit(offset=float(f"{found[0] - (slopes * mean).sum():.6g}"), **chosen)


def predict(photos: Photos, fitted: QualityFit) -> np.ndarray:
    z = fitted.offset + sum(weight * photos.features[name] for name, weight in fitted.weights.items())
    return 100 / (1 + np.exp(-z))


def curves(comparisons: Comparisons, names: tuple[str, ...]) -> dict:
    """Error versus discard on held-out people: fitted on one half, drawn on the other, both put together."""
    photos, half = comparisons.photos, comparisons.photos.half()
    result: dict = {"shares": list(SHARES)}
    held = np.zeros(len(half))
    for side in (0, 1):
        held[half == side] = predict(photos, fit(comparisons, half != side, names))[half == side]
    for label, rows in (("all", np.ones(len(half), bool)), ("as they are", ~photos.degraded)):
        for rate in RATES:
            threshold = comparisons.threshold(np.ones(len(half), bool), rate)
            probe, other = comparisons.pairs(rows)
            lower = np.minimum(held[probe], held[comparisons.good[other]])
            failed = comparisons.scores[probe, other] < threshold
            curve = error_versus_discard(failed, lower)
            at = [int(np.searchsorted(curve.discarded, share)) for share in SHARES]
            fnmr = [round(float(curve.error_rate[place]), 6) for place in at]
            result[f"{label}, FMR {rate:g}"] = {"comparisons": len(probe), "fnmr": fnmr}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    photos = measure(options.folder, Settings.load(None))
    comparisons, everybody = Comparisons(photos), np.ones(len(photos.people), bool)
    basis = f"{len(set(photos.files))} photos of {len(set(photos.people))} people, each once more degraded"
    document: dict = {"basis": basis, "no_face": photos.missed}
    tables = {}
    for name, used in (("model", ("norm", *FEATURES)), ("any model", FEATURES)):
        fitted = replace(fit(comparisons, everybody, used), basis=basis)
        kept = {key: value for key, value in fitted.weights.items() if value}
        tables[name] = {"quality": {"offset": fitted.offset, **kept, "basis": basis}}
        document[name] = {"fit": tables[name]["quality"], "held_out": curves(comparisons, used)}
    (options.out / "quality.json").write_text(json.dumps(document, indent=2) + "\n")
    (options.out / "quality.toml").write_text("\n".join(f"# {k}\n{to_toml(v)}" for k, v in tables.items()))
    found = document["model"]["held_out"]
    series = [
        charts.Series(key, list(zip(SHARES, found[key]["fnmr"], strict=True)), f"s{place}")
        for place, key in enumerate(key for key in found if key.endswith("0.01"))
    ]
    x = charts.linear_axis("share of comparisons left out", 0, 0.4, percent=True)
    y = charts.linear_axis("FNMR of the rest", 0, 0.025, percent=True)
    (options.out / "quality.svg").write_text(
        charts.line_chart("Error versus discard, held-out people", x, y, series, [])
    )
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
