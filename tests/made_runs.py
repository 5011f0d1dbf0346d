"""Runs made of nothing: a ledger with chosen photos and faces, without a model, for tests of what is done with runs.

    run = made_run(home, "holiday", {"/photos/a.jpg": ["ada", "stranger"], "/photos/b.jpg": []})
    decide_by_name(run, enrolled=["ada"])

A face is a word: the same word gives the same vector (`tests.fakes.vector_of`), another word one far away; `ada#2` is a
face of ada that differs a little from `ada`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from app.runs import Run, place, rows, schema
from app.runs.ledger import Done, Found, Ledger
from app.runs.records import Content, NewFace
from pipeline.align import ARCFACE_112
from pipeline.types import F32
from tests.fakes import DIMENSION, MODEL_ID, THRESHOLD, vector_of

IMAGE_HW = (480, 640)


def sha_of(path: str) -> str:
    """The hash of the content that a made photo has unless it is told another one."""
    return hashlib.sha256(path.encode()).hexdigest()


def face_vector(word: str, dimension: int = DIMENSION) -> F32:
    """(D,) float32 of unit length."""
    who, _, variant = word.partition("#")
    row = vector_of(who, dimension)
    if variant:
        row = row + 0.3 * vector_of(word, dimension)
    unit: F32 = (row / np.linalg.norm(row)).astype(np.float32)
    return unit


def made_face(word: str, number: int, *, appearance: tuple[float, float] | None = None) -> NewFace:
    """The face of this word: a box of its own, and a thumbnail of one colour."""
    x, y, side = 40.0 + 110 * ((number - 1) % 5), 40.0 + 150 * ((number - 1) // 5 % 3), 100.0
    points = ARCFACE_112 / 112 * side + (x, y)
    colour = np.frombuffer(hashlib.sha256(word.encode()).digest()[:3], np.uint8)
    done, jpeg = cv2.imencode(".jpg", np.full((112, 112, 3), colour, np.uint8))
    assert done
    start, end = appearance or (None, None)
    return NewFace(
        box=(x, y, x + side, y + side),
        landmarks=tuple((float(a), float(b)) for a, b in points.astype(np.float32)),
        confidence=0.9,
        vector=face_vector(word),
        norm=9.0,
        thumbnail=bytes(jpeg),
        start_s=start,
        end_s=end,
    )


def made_run(
    home: Path,
    name: str,
    photos: Mapping[str, Sequence[str]],
    *,
    videos: Mapping[str, Sequence[tuple[str, float, float]]] | None = None,
    failed: Mapping[str, tuple[str, str]] | None = None,
    same_as: Mapping[str, str] | None = None,
) -> Run:
    """A finished run that nobody has decided yet.

    Args:
        home: The data folder.
        name: Of the run.
        photos: Path to the words of its faces.
        videos: Path to (word, start_s, end_s) of its appearances.
        failed: Path to the code and the message (without the path) of what is wrong with it.
        same_as: Path to the path whose content it has as well.
    """
    contents = [
        Content(sha_of(path), "photo", IMAGE_HW, tuple(made_face(word, n) for n, word in enumerate(words, 1)))
        for path, words in photos.items()
    ]
    for path, appearances in (videos or {}).items():
        faces = tuple(made_face(word, n, appearance=(a, b)) for n, (word, a, b) in enumerate(appearances, 1))
        contents.append(Content(sha_of(path), "video", IMAGE_HW, faces))
    for path, (code, message) in (failed or {}).items():
        contents.append(Content(sha_of(path), "photo", None, error=code, message=message))
    paths = {path: path for path in (*photos, *(videos or {}), *(failed or {}))} | dict(same_as or {})
    with Ledger(home, name) as ledger:
        ledger.seen([Found(path, "video" if at in (videos or {}) else "photo", 1, 1) for path, at in paths.items()], 1)
        ledger.put(contents, [Done(path, sha_of(at)) for path, at in paths.items()])
        ledger.set_meta(
            model_id=MODEL_ID,
            dimension=DIMENSION,
            state="finished",
            gallery={"generation": 1, "subjects": 1},
            operating_point={
                "threshold": THRESHOLD,
                "fpir": 0.001,
                "fpir_upper": 0.002,
                "fnir": 0.02,
                "gallery_size": 1,
                "margin": 0.0,
                "origin": "made up",
                "subject_score": "best",
            },
        )
    return Run.open(home, name)


def decide_by_name(run: Run, enrolled: Iterable[str]) -> None:
    """Decides every face by comparing it with the faces of these words, without a gallery."""
    words = list(enrolled)
    names, vectors = run.vectors()
    with schema.connected(place.ledger_file(run.folder.parent.parent, run.name)) as connection:
        for name, vector in zip(names, vectors, strict=True):
            scored = sorted(((float(face_vector(word) @ vector), word) for word in words), reverse=True)
            best = scored[0] if scored else (None, None)
            runner_up = scored[1] if len(scored) > 1 else (None, None)
            match = best[0] is not None and best[0] >= THRESHOLD
            connection.execute(
                "insert or replace into decisions values (?, 'made', ?, ?, ?, ?, ?, ?, ?, ?, ?, 'made up')",
                (
                    *(rows.id_of(connection, name), "match" if match else "unknown", best[1] if match else None),
                    *(best[0], THRESHOLD, *reversed(runner_up), *reversed(best), "Made up for a test."),
                ),
            )
