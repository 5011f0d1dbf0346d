"""A run of chosen rows, for tests of what is written from one; `made_runs` makes a ledger where one is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from app.runs.records import FaceRow, FileRow

MODEL_ID = "fake.unit@00000000"
THRESHOLD = 0.4
POINT = {
    "threshold": THRESHOLD,
    "fpir": 0.001,
    "fnir": 0.021,
    "fpir_upper": 0.0019,
    "gallery_size": 100,
    "origin": "the model card, lfw-dev",
}


@dataclass
class MadeRun:
    """A run of these rows."""

    face_rows: Sequence[FaceRow] = ()
    file_rows: Sequence[FileRow] = ()
    name: str = "summer"
    point: dict[str, Any] | None = field(default_factory=lambda: dict(POINT))

    def files(self) -> Iterator[FileRow]:
        yield from self.file_rows

    def faces(self) -> Iterator[FaceRow]:
        yield from self.face_rows

    def thumbnails(self, faces: Iterable[str]) -> Iterator[bytes]:
        yield from map(picture, faces)

    def summary(self) -> dict[str, Any]:
        return {
            "files": len(self.file_rows) or len({face.photo for face in self.face_rows}),
            "model_id": MODEL_ID,
            "gallery": {"generation": 7, "subjects": 100},
            "operating_point": self.point,
        }


def picture(key: str, side: int = 24) -> bytes:
    """A JPEG whose colour is that of the key."""
    colour = hashlib.sha256(key.encode()).digest()[:3]
    done, data = cv2.imencode(".jpg", np.full((side, side, 3), list(colour), np.uint8))
    assert done
    return bytes(data)


def face(photo: str, number: int = 1, **values: Any) -> FaceRow:
    """A face of the photo, whose content is its path unless `sha256` says otherwise: a match with Ann."""
    sha256 = values.pop("sha256", hashlib.sha256(photo.encode("utf-8", "surrogateescape")).hexdigest())
    row = FaceRow(
        face_id=f"{sha256[:16]}-{number}",
        photo=photo,
        other_paths=(),
        sha256=sha256,
        number=number,
        box=(10.04, 20.0, 60.5, 90.25),
        landmarks=((20.0, 40.0), (45.0, 40.0), (32.0, 55.0), (24.0, 70.0), (42.0, 70.0)),
        confidence=0.97,
        image_hw=(100, 200),
        decision="match",
        subject="Ann",
        score=0.62,
        threshold=THRESHOLD,
        runner_up=("Bo", 0.21),
        best=("Ann", 0.62),
        reason="score 0.620 reaches the threshold 0.400",
        origin="the model card, lfw-dev",
        model_id=MODEL_ID,
        norm=9.5,
    )
    return replace(row, **values)


def unknown(photo: str, number: int = 1, cluster: str | None = None, **values: Any) -> FaceRow:
    """A face of nobody enrolled."""
    values = {"score": 0.2, "best": ("Bo", 0.2), "runner_up": None, "reason": "nobody is alike enough"} | values
    return face(photo, number, decision="unknown", subject=None, cluster=cluster, **values)


def ambiguous(photo: str, number: int = 1, **values: Any) -> FaceRow:
    """A face that two people are alike enough to."""
    values = {"best": ("Ann", 0.5), "runner_up": ("Bo", 0.49), "score": 0.5, "reason": "two are alike"} | values
    return face(photo, number, decision="ambiguous", subject=None, **values)


def bad_file(path: str, error: str = "photo_damaged", message: str = "it is damaged") -> FileRow:
    """A file that could not be used."""
    return FileRow(path, None, "photo", "failed", error, message, None, 0)


def no_face(path: str) -> FileRow:
    """A photo of nobody."""
    return FileRow(path, "ab" * 32, "photo", "done", "no_face", "no face was found", (100, 200), 0)
