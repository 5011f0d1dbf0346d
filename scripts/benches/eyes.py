"""Whether closed and covered eyes are told from open ones, on faces that were labelled by eye.

scripts/bench eyes FOLDER      the photos that scripts/benches/labels/eyes.txt has labels of; a model for eyes is in use
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from app.photos import photos_in
from pipeline.build import build_recognizer
from pipeline.config import Settings
from pipeline.errors import ConfigError, PhotoError
from pipeline.images import open_photo
from pipeline.metrics import area_under_roc
from pipeline.quality.advice import ADVISE_BELOW

WORDS = ("open", "closed", "dark", "unsure")
LABELS = Path(__file__).parent / "labels" / "eyes.txt"
_DIGITS = 16


def labels(file: Path = LABELS) -> dict[str, str]:
    """What was seen, by the beginning of a photo's SHA-256."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def run(arguments: list[str]) -> dict[str, Any]:
    """The figures. Raises: ConfigError: no eyes are looked at, or no labelled photo is there."""
    parser = argparse.ArgumentParser("scripts/bench eyes", description=__doc__)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    settings = Settings.load(None)
    if settings.eyes == "none":
        raise ConfigError("no eyes are looked at: `knownface models use eyes.faceplugin` first")
    known = labels()
    photos = [(known[name], file) for file in photos_in(options.folder) if (name := _named(file)) in known]
    if not photos:
        raise ConfigError(f"{options.folder}: holds none of the photos that are labelled")
    recognizer = build_recognizer(settings)
    seen: list[tuple[str, float, float, float]] = []
    for (label, _), faces in recognizer.stream(photos, lambda one: open_photo(one[1]), workers=settings.worker_count):
        if not isinstance(faces, PhotoError) and len(faces) and faces.eyes is not None:
            known_of = (faces.eyes[0], faces.templates.norms[0], faces.detections.confidences[0])
            seen.append((label, *(float(value) for value in known_of)))
    return {"model": settings.eyes, "labelled": len(photos), **told(seen)}


def told(seen: Iterable[tuple[str, float, float, float]]) -> dict[str, Any]:
    """Figures of faces: their label, how surely an eye is open, the norm of the template, the detector's confidence."""
    rows = list(seen)
    by = {label: np.array([row[1:] for row in rows if row[0] == label]).reshape(-1, 3) for label in WORDS}
    least = ADVISE_BELOW["eyes_open"] / 100
    return {
        "faces": {label: len(values) for label, values in by.items()},
        "auc_closed": round(area_under_roc(by["open"][:, 0], by["closed"][:, 0]), 3),
        "auc_dark": round(area_under_roc(by["open"][:, 0], by["dark"][:, 0]), 3),
        "auc_dark_by_the_detector": round(area_under_roc(by["open"][:, 2], by["dark"][:, 2]), 3),
        "auc_closed_by_the_norm": round(area_under_roc(by["open"][:, 1], by["closed"][:, 1]), 3),
        "told_to_open_their_eyes": {label: int((values[:, 0] < least).sum()) for label, values in by.items()},
    }


def _named(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:_DIGITS]
