"""A made-up run of many faces in many photos: for the report's test at size, and for `scripts/bench report`."""

from __future__ import annotations

import random
from collections.abc import Iterator

from app.runs.records import FaceRow
from tests.result_rows import MadeRun, ambiguous, bad_file, face, no_face, unknown

PEOPLE = 800


def large_run(count: int, seed: int = 1) -> MadeRun:
    """`count` faces: seven in ten of them named, a quarter unknown (six in ten of those in clusters), 3 % ambiguous."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    rows: list[FaceRow] = []
    files = []
    for photo in range(count):
        if len(rows) >= count:
            break
        folder = f"/home/me/Pictures/{2000 + photo % 24}/{photo % 12:02d}"
        rows += _faces(draw, f"{folder}/IMG_{photo:06d}.jpg")
        if photo % 40 == 0:
            files.append(bad_file(f"{folder}/broken_{photo}.jpg"))
        if photo % 13 == 0:
            files.append(no_face(f"{folder}/view_{photo}.jpg"))
    return MadeRun(rows[:count], files, "Family archive")


def _faces(draw: random.Random, photo: str) -> Iterator[FaceRow]:
    for number in range(1, draw.choice([1, 1, 1, 2, 3]) + 1):
        who, other = (f"Person {min(int(draw.expovariate(1 / 120)), PEOPLE - 1):03}" for _ in range(2))
        kind, score = draw.random(), round(draw.uniform(0.42, 0.85), 4)
        reason = (
            f"score {score:.3f} reaches the threshold 0.400 (FPIR 0.1 % with 100 people enrolled); next best {other}"
        )
        if kind < 0.7:
            yield face(
                photo, number, subject=who, best=(who, score), score=score, runner_up=(other, 0.3), reason=reason
            )
        elif kind < 0.95:
            cluster = f"u{int(draw.expovariate(1 / 200))}" if draw.random() < 0.6 else None
            yield unknown(photo, number, cluster, best=(who, 0.2))
        elif kind < 0.98:
            yield ambiguous(photo, number, best=(who, 0.5), runner_up=(other, 0.49))
        else:
            yield face(photo, number, decision="poor_image", subject=None, score=0.2)
