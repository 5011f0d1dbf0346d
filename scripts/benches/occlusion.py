"""Whether anything that is measured anyway tells a covered face: bars, dark glasses and masks drawn over photos.

    scripts/bench occlusion FOLDER [--people N]

Of each person one photo of FOLDER/PERSON/, as it is and with each cover. A cue is worth its area under the curve:
how often it is lower for a covered face than for an uncovered one, 0.5 by chance. How many faces are still found and
how many are still recognised beside another photo of the person says whether a cover matters.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.photos import photos_in
from pipeline.build import build_recognizer, operating_points
from pipeline.config import Settings
from pipeline.decide import choose_verify_point
from pipeline.errors import ConfigError, PhotoError
from pipeline.images import from_array, open_photo
from pipeline.metrics import area_under_roc
from pipeline.recognizer import Faces, Recognizer
from pipeline.types import F32, Image

COVERS = ("mask", "dark glasses", "bar across", "bar upright", "hand")
_COLOURS = {"mask": (150, 190, 215), "dark glasses": (20, 20, 24), "hand": (196, 150, 126)}

_SKIN = (slice(40, 100), slice(25, 87))  # of a crop of 112 pixels: from under the eyes to the chin


def covered(rgb: Image, landmarks: F32, cover: str, rng: np.random.Generator) -> Image:
    """A photo with something over the face.

    Args:
        rgb: (H, W, 3) uint8.
        landmarks: (5, 2) of the face.
        cover: One of COVERS.
        rng: Chooses the place of bars, and colours.
    """
    made = np.ascontiguousarray(rgb.copy())
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    right, down = (landmarks[1] - landmarks[0]), (mouth - eyes)
    colour = _COLOURS.get(cover, tuple(int(value) for value in rng.integers(0, 256, 3)))

    def shape(*points: tuple[float, float]) -> None:
        """Points in distances of the eyes to the right, and of eyes to mouth down, from between the eyes."""
        placed = np.array([eyes + x * right + y * down for x, y in points])
        cv2.fillPoly(made, [placed.round().astype(np.int32)], colour, lineType=cv2.LINE_AA)

    if cover == "mask":
        shape((-1.0, 0.35), (0, 0.28), (1.0, 0.35), (0.8, 1.35), (0.3, 1.75), (-0.3, 1.75), (-0.8, 1.35))
    elif cover == "dark glasses":
        for side in (-0.5, 0.5):
            shape((side - 0.38, -0.25), (side + 0.38, -0.25), (side + 0.3, 0.3), (side - 0.3, 0.3))
        shape((-0.2, -0.12), (0.2, -0.12), (0.2, 0), (-0.2, 0))
    elif cover == "bar across":
        top = rng.uniform(-0.4, 1.0)
        shape((-1.2, top), (1.2, top), (1.2, top + 0.4), (-1.2, top + 0.4))
    elif cover == "bar upright":
        left = rng.uniform(-0.9, 0.4)
        shape((left, -1), (left + 0.5, -1), (left + 0.5, 1.8), (left, 1.8))
    else:
        side = 1 if rng.random() < 0.5 else -1
        shape((0, -0.9), (side * 1.2, -0.9), (side * 1.2, 1.6), (0, 1.6))
    return made


def cues(recognizer: Recognizer, faces: Faces) -> dict[str, float]:
    """What is known of the most prominent face without another network: the higher, the less covered."""
    quality = recognizer.assess(faces)
    crop = faces.aligned.crops[0].astype(np.float32)
    mirrored, colours = (
        crop[:, ::-1],
        cv2.cvtColor(faces.aligned.crops[0], cv2.COLOR_RGB2Lab)[..., 1:].astype(np.float32),
    )
    return {
        "norm": float(faces.templates.norms[0]),
        "detector's confidence": float(faces.detections.confidences[0]),
        "unified score": float(quality.unified[0]),
        "both sides alike": -float(np.abs(crop - mirrored).mean()),
        "skin of one colour": -float(np.std(colours[_SKIN], axis=(0, 1)).mean()),
    }


def run(arguments: list[str]) -> dict[str, Any]:
    """The figures. Raises: ConfigError: there is no folder of people."""
    parser = argparse.ArgumentParser("scripts/bench occlusion", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=150)
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        raise ConfigError(f"{options.folder}: is no folder: name one that holds a folder of photos for each person")
    settings = Settings.load(None)
    recognizer = build_recognizer(settings)
    same = choose_verify_point(operating_points(settings), recognizer.model_id, settings.verify_fmr).threshold
    people = [
        found for place in sorted(options.folder.iterdir()) if place.is_dir() and len(found := photos_in(place)) > 1
    ]
    order = np.random.default_rng(2).permutation(len(people))[: options.people]
    return measured(recognizer, [people[number] for number in order], same)


def measured(recognizer: Recognizer, people: list[list[Path]], same: float) -> dict[str, Any]:
    """Cues of each person's first photo, covered and not, and whether it is recognised beside the second."""
    rows: dict[str, list[dict[str, float]]] = {cover: [] for cover in ("none", *COVERS)}
    found, recognised = dict.fromkeys(rows, 0), dict.fromkeys(rows, 0)
    asked = 0
    for number, (first, second, *_) in enumerate(people):
        picture = open_photo(first).pixels()
        plain, other = _seen(recognizer, picture), _seen(recognizer, open_photo(second).pixels())
        if plain is None or other is None:
            continue
        asked += 1
        for place, cover in enumerate(rows):
            rng = np.random.default_rng([number, place])
            hidden = picture if cover == "none" else covered(picture, plain.detections.landmarks[0], cover, rng)
            faces = plain if cover == "none" else _seen(recognizer, hidden)
            if faces is not None:
                found[cover] += 1
                recognised[cover] += bool(faces.templates.vectors[0] @ other.templates.vectors[0] >= same)
                rows[cover].append(cues(recognizer, faces))
    plain_rows = rows["none"]
    worth = {
        cover: {
            name: round(area_under_roc(_column(plain_rows, name), _column(rows[cover], name)), 3)
            for name in plain_rows[0]
        }
        for cover in COVERS
    }
    return {"people": asked, "found": found, "recognised": recognised, "auc": worth}


def _column(rows: list[dict[str, float]], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows])


def _seen(recognizer: Recognizer, rgb: Image) -> Faces | None:
    try:
        faces = recognizer.analyse(from_array(np.ascontiguousarray(rgb), "a photo"))
    except PhotoError:  # no face in it can be aligned
        return None
    return faces if len(faces) else None
