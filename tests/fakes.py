"""Stand-ins for the stages of the pipeline that need no models.

A "photo" for them is a picture of coloured bars (`bars`): every bar that is not black is a face, and its colour is who
it is. Colours that differ give templates that are far apart; the same colour gives the same template.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.align import ARCFACE_112
from pipeline.config import Settings
from pipeline.errors import DegenerateLandmarksError
from pipeline.images import Photo
from pipeline.protocols import Array
from pipeline.recognizer import Recognizer
from pipeline.types import F32, AlignedFaces, Candidates, Detections, Image, OperatingPoint, Templates

MODEL_ID = "fake.unit@00000000"
DIMENSION = 32
BAR = 40
RED, GREEN, BLUE, YELLOW, WHITE = (200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0), (240, 240, 240)
#: The colour whose landmarks coincide.
DEGENERATE = (8, 8, 8)
THRESHOLD = 0.7


def bars(*colours: tuple[int, int, int]) -> Image:
    """(60, 40·N, 3) uint8 RGB: one bar per colour; black ones are no face."""
    picture = np.zeros((60, BAR * max(1, len(colours)), 3), np.uint8)
    for number, colour in enumerate(colours):
        picture[:, number * BAR : (number + 1) * BAR] = colour
    return picture


def write_bars(file: Path, *colours: tuple[int, int, int], note: int = 0) -> Path:
    """Writes `bars` as a PNG, whose bytes differ by `note`; makes the folder if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = bars(*colours)
    if note:
        picture[0, 0] += np.uint8(note)
    done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert done
    file.write_bytes(bytes(data))
    return file


def vector_of(key: object, dimension: int = DIMENSION) -> F32:
    """A unit vector that belongs to the key, (dimension,) float32."""
    seed = int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8])
    row = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    unit: F32 = row / np.linalg.norm(row)
    return unit


def detections_at(boxes: Sequence[Sequence[float]], image_hw: tuple[int, int] = (100, 100)) -> Detections:
    """Detections with these boxes, falling confidences and landmarks where a face has them."""
    array = np.array(boxes, np.float32).reshape(-1, 4)
    sides = array[:, 2:4] - array[:, 0:2]
    landmarks = array[:, None, 0:2] + (ARCFACE_112 / 112).astype(np.float32) * sides[:, None]
    confidences = np.linspace(0.95, 0.85, len(array), dtype=np.float32)
    return Detections(array, confidences, landmarks.astype(np.float32), image_hw)


class FakeSession:
    """A network that is a Python function; remembers what it was fed.

    Args:
        function: From the inputs to the outputs, both by name.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
    """

    def __init__(
        self,
        function: Callable[[Mapping[str, Array]], dict[str, Array]],
        inputs: tuple[str, ...] = ("input",),
        outputs: tuple[str, ...] = ("output",),
    ) -> None:
        self._function, self._inputs, self._outputs = function, inputs, outputs
        self.calls: list[Mapping[str, Array]] = []
        self._lock = threading.Lock()

    @property
    def runtime(self) -> str:
        return "fake/cpu"

    @property
    def inputs(self) -> tuple[str, ...]:
        return self._inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        return self._outputs

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        with self._lock:
            self.calls.append({name: array.copy() for name, array in inputs.items()})
        return self._function(inputs)


class FakeDetector:
    """Finds the bars of a picture, left to right."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def detect(self, photo: Photo) -> Detections:
        return self.detect_batch([photo])[0]

    def detect_batch(self, photos: Sequence[Photo]) -> list[Detections]:
        self.batches.append(len(photos))
        return [self._one(photo) for photo in photos]

    def _one(self, photo: Photo) -> Detections:
        pixels = photo.pixels()
        height, width = photo.image_hw
        lefts = [x for x in range(0, width - BAR + 1, BAR) if pixels[height // 2, x + BAR // 2].any()]
        found = detections_at([(x, 0, x + BAR, height) for x in lefts], photo.image_hw)
        flat = [tuple(pixels[height // 2, x + BAR // 2]) == DEGENERATE for x in lefts]
        landmarks = found.landmarks.copy()
        landmarks[np.array(flat, bool)] = 5.0
        return found.with_landmarks(landmarks)


class FakeRefiner:
    """Moves every landmark by (dx, dy)."""

    def __init__(self, dx: float = 1.0, dy: float = 0.0) -> None:
        self._shift = np.array([dx, dy], np.float32)

    def refine(self, photo: Photo, detections: Detections) -> Detections:
        return detections.with_landmarks(detections.landmarks + self._shift)

    def refine_batch(self, photos: Sequence[Photo], detections: Sequence[Detections]) -> list[Detections]:
        return [self.refine(photo, found) for photo, found in zip(photos, detections, strict=True)]


class FakeAligner:
    """A crop that is all of the colour at the middle of the box."""

    size = 112

    def align(self, photo: Photo, detections: Detections) -> AlignedFaces:
        pixels = photo.pixels()
        crops = np.zeros((len(detections), self.size, self.size, 3), np.uint8)
        for crop, box, points in zip(crops, detections.boxes, detections.landmarks, strict=True):
            if np.ptp(points) == 0:
                raise DegenerateLandmarksError(f"{photo.source}: the landmarks of a face coincide")
            x, y = (box[:2] + box[2:]) / 2
            crop[:] = pixels[int(y), int(x)]
        return AlignedFaces(crops, np.zeros((len(crops), 2, 3), np.float32))


class FakeEmbedder:
    """A template per colour."""

    model_id = MODEL_ID
    dimension = DIMENSION

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, faces: AlignedFaces) -> Templates:
        self.batches.append(len(faces))
        rows = [vector_of(tuple(int(v) for v in crop[56, 56])) for crop in faces.crops]
        vectors = np.stack(rows) if rows else np.zeros((0, DIMENSION), np.float32)
        return Templates(vectors, np.full(len(rows), 9.0, np.float32), MODEL_ID)


def fake_recognizer(refiner: FakeRefiner | None = None) -> Recognizer:
    """A recognizer of coloured bars."""
    return Recognizer(FakeDetector(), refiner, FakeAligner(), FakeEmbedder())


def build_fake(settings: object) -> Recognizer:
    """The same, as the worker of another process builds it from its settings."""
    return fake_recognizer()


class MeetingDetector(FakeDetector):
    """Finds nothing until a second process has come to the folder as well, or a minute has passed.

    Args:
        folder: Where the processes leave a file each.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def detect_batch(self, photos: Sequence[Photo]) -> list[Detections]:
        (self._folder / f"{os.getpid()}.here").touch()
        until = time.monotonic() + 180
        while len(list(self._folder.glob("*.here"))) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        return super().detect_batch(photos)


def build_meeting(settings: Settings) -> Recognizer:
    """A recognizer of coloured bars whose detector waits in the data folder for that of another process."""
    return Recognizer(MeetingDetector(settings.home), None, FakeAligner(), FakeEmbedder())


def points(threshold: float = THRESHOLD, model_id: str = MODEL_ID) -> tuple[OperatingPoint, ...]:
    """One operating point for verify and one for identify (gallery of 10)."""
    shared = {"fmr": 0.001, "fnmr": 0.02, "non_mated": 1000, "mated": 100, "fmr_upper": 0.003, "model_id": model_id}
    return (
        OperatingPoint(task="verify", threshold=threshold, measured_on="made up", **shared),  # type: ignore[arg-type]
        OperatingPoint(task="identify", threshold=threshold, measured_on="made up", gallery_size=10, **shared),  # type: ignore[arg-type]
    )


def candidates(*scored: tuple[str, float]) -> Candidates:
    """Who was found, with scores."""
    return Candidates(tuple(name for name, _ in scored), np.array([score for _, score in scored], np.float32))


def outputs_of_yunet(batch: int, height: int, width: int) -> dict[str, Array]:
    """What a YuNet puts out that sees nothing."""
    out: dict[str, Array] = {}
    for stride in (8, 16, 32):
        cells = (height // stride) * (width // stride)
        for name, n in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            out[f"{name}_{stride}"] = np.zeros((batch, cells, n), np.float32)
    return out
