"""Faces and files of a run as JSON: what `identify` prints, with what only a run knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from app.runs.place import brought_names
from app.runs.records import FaceRow, FileRow, Run


def face_documents(run: Run, only: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Every face, once for each path of its photo: the first path, then its copies.

    Args:
        run: The run.
        only: SHA-256 of the contents that are wanted; None for all.
    """
    for face in run.faces(only):
        for path in (face.photo, *face.other_paths):
            yield _face(path, face)


def error_documents(run: Run, only: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Every file that gave no face, with the reason; or only those of these paths."""
    for file in run.files(only):
        if file.error is not None:
            yield _error(file)


def told_documents(run: Run) -> Iterator[dict[str, Any]]:
    """Both, for whoever is elsewhere: photos that were brought along are called as they were, with their number."""
    named = brought_names(run.folder)
    for document in chain(face_documents(run), error_documents(run)):
        told = {key: named(document[key]) for key in ("photo", "message") if document.get(key)}
        yield document | told


def _face(path: str, face: FaceRow) -> dict[str, Any]:
    best, runner_up = face.best, face.runner_up
    document = {
        "photo": path,
        "box": [round(float(value), 1) for value in face.box],
        "subject": face.subject,
        "decision": face.decision,
        "score": face.score,
        "threshold": face.threshold,
        "best": {"subject": best[0], "score": best[1]} if best else None,
        "runner_up": {"subject": runner_up[0], "score": runner_up[1]} if runner_up else None,
        "reason": face.reason,
        "operating_point": face.origin,
        "face": face.number,
        "face_id": face.face_id,
        "cluster": face.cluster,
    }
    if face.kind == "video":
        document |= {"start_s": face.start_s, "end_s": face.end_s}
    return document


def _error(file: FileRow) -> dict[str, Any]:
    return {"photo": file.path, "error": file.error, "message": file.message}
