"""The rows of a run's tables: a row per face and path, then a row per file that gave none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from app.runs.output.source import Results, photos, unused
from app.runs.records import FaceRow

Kind = Literal["text", "integer", "number", "points"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, what its values are, and what they say (docs/batch-results.md is held against it)."""

    name: str
    kind: Kind
    meaning: str


COLUMNS = (
    Column("photo", "text", "path of the photo or video; bytes that are no text are written as `\\xff`"),
    Column("face", "integer", "number of the face in its photo, 1 is the most prominent"),
    Column("x0", "number", "left edge of the face, in pixels of the upright photo; may lie outside it"),
    Column("y0", "number", "upper edge"),
    Column("x1", "number", "right edge"),
    Column("y1", "number", "lower edge"),
    Column("subject", "text", "whom it was named; empty unless the decision is `match`"),
    Column("decision", "text", "`match`, `unknown`, `ambiguous` or `poor_image`; or the code of a file's error"),
    Column("score", "number", "cosine similarity the decision rests on"),
    Column("threshold", "number", "what the score was held against"),
    Column("best", "text", "the subject whose score it is, named or not"),
    Column("best_score", "number", "that subject's score"),
    Column("runner_up", "text", "the second best subject"),
    Column("runner_up_score", "number", "that subject's score"),
    Column("reason", "text", "the decision in a sentence; or what is wrong with the file"),
    Column("cluster", "text", "of an unknown face: the cluster of faces alike"),
    Column("start_s", "number", "of an appearance in a video: its start in seconds"),
    Column("end_s", "number", "and its end"),
    Column("confidence", "number", "the detector's, in [0, 1]"),
    Column("quality", "number", "unified quality, 0 to 100; of a video's best shot"),
    Column("norm", "number", "length of the template before it was normalised"),
    Column("image_height", "integer", "height of the upright photo in pixels"),
    Column("image_width", "integer", "its width"),
    Column("landmarks", "points", "x and y of left eye, right eye, nose, left and right mouth corner"),
    Column("copy_of", "text", "the path under which the same file was found first; empty where it is this one"),
    Column("face_id", "text", "stable name of the face: of its photo's content and its number"),
    Column("sha256", "text", "of the file's bytes"),
    Column("model_id", "text", "the model whose score it is"),
    Column("path_bytes", "text", "the path's bytes in hexadecimal, only where `photo` could not say them as text"),
)
NAMES = tuple(column.name for column in COLUMNS)


def readable(text: str) -> str:
    r"""The text with everything that cannot be stored as UTF-8, and NUL, written out: `\xff`, `\ud800`, `\x00`.

    >>> readable("caf\udce9.jpg")
    'caf\\xe9.jpg'
    """
    if text.isascii() and "\0" not in text:
        return text
    parts = []
    for character in text:
        code = ord(character)
        if 0xDC80 <= code <= 0xDCFF:  # a byte that os.fsdecode could not read
            parts.append(f"\\x{code - 0xDC00:02x}")
        elif 0xD800 <= code <= 0xDFFF:
            parts.append(f"\\u{code:04x}")
        else:
            parts.append("\\x00" if code == 0 else character)
    return "".join(parts)


def rows(run: Results) -> Iterator[dict[str, Any]]:
    """Every row, with all columns, in a fixed order.

    The photos in the order of their first path, each followed by its copies, their faces by number; then the files that
    gave no face, in the order of paths. Absent values are None. Texts can be stored as UTF-8.
    """
    for paths, faces in photos(run):
        for path in paths:
            for face in faces:
                yield _face(path, face, None if path == paths[0] else paths[0])
    for file, code, message in unused(run):
        row = dict.fromkeys(NAMES)
        row |= {"decision": code, "reason": readable(message), "sha256": file.sha256, **_path(file.path)}
        if file.image_hw is not None:
            row |= {"image_height": file.image_hw[0], "image_width": file.image_hw[1]}
        yield row


def _path(path: str) -> dict[str, Any]:
    text = readable(path)
    return {"photo": text, "path_bytes": None if text == path else os.fsencode(path).hex()}


def _face(path: str, face: FaceRow, copy_of: str | None) -> dict[str, Any]:
    best, best_score = face.best or (None, None)
    runner_up, runner_up_score = face.runner_up or (None, None)
    x0, y0, x1, y1 = (round(float(v), 1) for v in face.box)
    return {
        **_path(path),
        "face": face.number,
        "x0": x0,
        "y0": y0,
        "x1": x1,
        "y1": y1,
        "subject": _text(face.subject),
        "decision": face.decision,
        "score": face.score,
        "threshold": face.threshold,
        "best": _text(best),
        "best_score": best_score,
        "runner_up": _text(runner_up),
        "runner_up_score": runner_up_score,
        "reason": readable(face.reason),
        "cluster": _text(face.cluster),
        "start_s": face.start_s,
        "end_s": face.end_s,
        "confidence": face.confidence,
        "quality": face.quality,
        "norm": face.norm,
        "image_height": face.image_hw[0],
        "image_width": face.image_hw[1],
        "landmarks": [[round(float(x), 1), round(float(y), 1)] for x, y in face.landmarks],
        "copy_of": _text(copy_of),
        "face_id": face.face_id,
        "sha256": face.sha256,
        "model_id": face.model_id,
    }


def _text(value: str | None) -> str | None:
    return None if value is None else readable(value)
