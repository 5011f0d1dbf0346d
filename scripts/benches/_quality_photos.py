"""What the quality bench measures of photos: every one as it is, and once degraded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.photos import photos_in
from pipeline.build import build_recognizer
from pipeline.config import Settings
from pipeline.errors import ConfigError, PhotoError
from pipeline.images import Photo, from_array, open_photo
from pipeline.quality.assess import component_values
from pipeline.quality.fit import features
from pipeline.quality.measures import native
from pipeline.recognizer import Faces

KINDS = ("blur", "few pixels", "exposure", "JPEG", "motion", "little contrast")


@dataclass
class Photos:
    """A row for every photo in which a face was found.

    Attributes:
        vectors: (N, D) float32 templates.
        features: (N,) each, by name: what a fit may see, and `former`, the product that once chose shots.
        people, files: (N,) str.
        kinds: (N,) int: -1 as it is, otherwise which of KINDS.
        missed: Photos in which no face was found.
    """

    vectors: np.ndarray
    features: dict[str, np.ndarray]
    people: np.ndarray
    files: np.ndarray
    kinds: np.ndarray
    missed: int

    @property
    def degraded(self) -> np.ndarray:
        """(N,) bool."""
        return self.kinds >= 0

    def fold(self, count: int) -> np.ndarray:
        """(N,) int in 0..count-1: a person's photos are all in one."""
        digests = (hashlib.sha256(str(name).encode()).digest() for name in self.people)
        return np.array([digest[0] for digest in digests]) % count

    def save(self, file: Path) -> None:
        """Keeps them, so that another fit need not embed anew; holds templates: personal data."""
        named = {f"feature {name}": values for name, values in self.features.items()}
        held = {"vectors": self.vectors, "people": self.people, "files": self.files, "kinds": self.kinds}
        np.savez(file, allow_pickle=False, missed=self.missed, **held, **named)

    @staticmethod
    def load(file: Path) -> Photos:
        """What `save` kept."""
        with np.load(file, allow_pickle=False) as kept:
            named = {name[8:]: kept[name] for name in kept.files if name.startswith("feature ")}
            held = [kept[name] for name in ("people", "files", "kinds")]
            return Photos(kept["vectors"], named, *held, int(kept["missed"]))


def degrade(rgb: np.ndarray, kind: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 as it is spoilt in one of the six KINDS."""
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
    """Embeds every photo of FOLDER/PERSON/ twice: as it is, and degraded.

    Raises:
        ConfigError: There is no such folder, or no face in it.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder: name one that holds a folder of photos for each person")
    recognizer = build_recognizer(settings)
    people = [place for place in sorted(folder.iterdir()) if place.is_dir()]
    files = [(person.name, file) for person in people for file in photos_in(person)]

    def opened(item: tuple[int, bool]) -> Photo:
        number, spoil = item
        photo = open_photo(files[number][1])
        if not spoil:
            return photo
        spoilt = degrade(photo.pixels(), number % len(KINDS), np.random.default_rng(number))
        return from_array(np.ascontiguousarray(spoilt), photo.source)

    items = [(number, spoil) for number in range(len(files)) for spoil in (False, True)]
    rows: list[tuple] = []
    for (number, spoil), faces in recognizer.stream(items, opened, workers=settings.worker_count):
        if not isinstance(faces, PhotoError) and len(faces):
            kind = number % len(KINDS) if spoil else -1
            rows.append((faces.templates.vectors[0], _seen(faces), files[number][0], str(files[number][1]), kind))
    if not rows:
        raise ConfigError(
            f"{folder}: holds no photo with a face: name one that holds a folder of photos for each person"
        )
    vectors, seen, names, paths, kinds = zip(*rows, strict=True)
    columns = {name: np.array([row[name] for row in seen]) for name in seen[0]}
    return Photos(np.stack(vectors), columns, np.array(names), np.array(paths), np.array(kinds), len(items) - len(rows))


def _seen(faces: Faces) -> dict[str, float]:
    """The features of the most prominent face, and the product that once chose a video's shots."""
    one, found = slice(0, 1), faces.detections[[0]]
    norms = faces.templates.norms[one]
    components = component_values(native(found, faces.aligned[one], None))
    seen = {name: float(values[0]) for name, values in features(components, norms, found.confidences).items()}
    box, crop = found.boxes[0], faces.aligned.crops[0]
    side = float(np.clip(min(box[2] - box[0], box[3] - box[1]) / 112, 0, 1))
    sharp = float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())
    return {**seen, "former": side * float(found.confidences[0]) * sharp / (sharp + 100) * float(norms[0])}
