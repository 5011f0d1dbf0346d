"""What the writers ask of a run. `app.runs.Run` is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Protocol

from app.runs.records import FaceRow, FileRow


class Results(Protocol):
    """A run to be read: every method gives the same, in the same order, whenever it is called."""

    @property
    def name(self) -> str:
        """What the run is called."""

    def files(self) -> Iterable[FileRow]:
        """Every file, in the order of paths."""

    def faces(self) -> Iterable[FaceRow]:
        """Every face once, in the order of the first path of its photo; those of a photo together."""

    def thumbnails(self, faces: Iterable[str]) -> Iterator[bytes]:
        """Each of these faces as a JPEG, in their order."""

    def summary(self) -> Mapping[str, Any]:
        """Counts, model and operating point."""


def photos(run: Results) -> Iterator[tuple[tuple[str, ...], list[FaceRow]]]:
    """The faces of each photo, with every path it was found under: the first, then its copies."""
    for _, group in groupby(run.faces(), key=lambda face: face.sha256):
        faces = list(group)
        yield (faces[0].photo, *faces[0].other_paths), faces


def unused(run: Results) -> Iterator[tuple[FileRow, str, str]]:
    """Every file that gave no face, with the error's code and message: unreadable ones, and photos without a face."""
    for file in run.files():
        if file.error is not None:
            yield file, file.error, file.message or file.error
        elif file.state == "failed":
            yield file, "photo_error", file.message or "it could not be used"
        elif file.state == "done" and not file.faces:
            yield file, "no_face", file.message or "no face was found"
