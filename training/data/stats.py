"""What a set holds, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.errors import TrainingDataError
from pipeline.types import F64, Image
from training.data.dataset import FaceDataset

_BINS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Figures of the crops that were looked at, one row each.

    Attributes:
        brightness: Mean of the grey levels, 0 to 255.
        contrast: Their standard deviation.
        sharpness: Standard deviation of the Laplacian of the grey levels; little where a crop is blurred.
        colour: (n, 3) mean red, green and blue.
    """

    brightness: F64
    contrast: F64
    sharpness: F64
    colour: F64


def chosen(dataset: FaceDataset, count: int) -> npt.NDArray[np.int64]:
    """At most so many samples, evenly spread over the set."""
    return np.unique(np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(np.int64))


def figures_of(image: Image) -> tuple[float, float, float, F64]:
    """Brightness, contrast, sharpness and mean colour of a crop."""
    grey = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY)
    laplacian = cv2.Laplacian(grey, cv2.CV_64F)
    colour: F64 = np.asarray(image, np.float64).mean(axis=(0, 1))
    return float(grey.mean()), float(grey.std()), float(laplacian.std()), colour


def measure(dataset: FaceDataset, samples: npt.NDArray[np.int64]) -> tuple[Measured, list[dict[str, str]]]:
    """Figures of some crops, and a row for each that cannot be read."""
    rows, failed = [], []
    for index in samples:
        try:
            rows.append(figures_of(dataset.read(int(index))))
        except TrainingDataError as error:
            failed.append({"sample": dataset.name(int(index)), **error.as_dict()})
    table = [np.array([row[place] for row in rows], np.float64) for place in range(3)]
    colour = np.array([row[3] for row in rows], np.float64).reshape(len(rows), 3)
    return Measured(table[0], table[1], table[2], colour), failed


def summary(dataset: FaceDataset, measured: Measured) -> dict[str, Any]:
    """The figures as a document."""
    sizes = np.bincount(dataset.labels, minlength=len(dataset.identities))
    return {
        "samples": len(dataset),
        "identities": len(dataset.identities),
        "samples_per_identity": {**_spread(sizes.astype(np.float64)), "with_one": int((sizes == 1).sum())},
        "looked_at": len(measured.brightness),
        "brightness": _spread(measured.brightness),
        "contrast": _spread(measured.contrast),
        "sharpness": _spread(measured.sharpness),
        "colour": [round(float(value), 2) for value in measured.colour.mean(axis=0)] if len(measured.colour) else [],
        "histogram": {"samples_per_identity": histogram(np.log10(np.maximum(sizes, 1)))},
    }


def histogram(values: F64) -> dict[str, list[float]]:
    """Edges and counts over the range of the values."""
    if not len(values):
        return {"edges": [0.0, 1.0], "counts": [0]}
    low, high = float(values.min()), float(values.max())
    counts, edges = np.histogram(values, bins=_BINS, range=(low, high if high > low else low + 1))
    return {"edges": [float(value) for value in edges], "counts": [int(value) for value in counts]}


def _spread(values: F64) -> dict[str, float]:
    if not len(values):
        return {}
    names = {"min": 0, "p5": 5, "median": 50, "p95": 95, "max": 100}
    found = {name: round(float(np.percentile(values, share)), 2) for name, share in names.items()}
    return {**found, "mean": round(float(values.mean()), 2)}
