"""Where the report's pictures go: into the page up to a limit, or into a folder beside it."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from app.photos import RESULTS_MARKER
from app.runs.output.files import folder_for, write_bytes
from app.runs.output.report_data import PICTURE, Portraits, ReportData, best_faces, by_importance
from app.runs.output.source import Results

#: Where they lie below their folder: the beginning of a picture's SHA-256.
PATTERN = "[0-9a-f][0-9a-f]/" + "[0-9a-f]" * 24 + ".*"
#: A picture of the page by its number, or a file of the folder by its name.
Reference = int | str


class Pictures(Protocol):
    """Takes pictures and says what the page calls them."""

    def place_faces(self, run: Results, data: ReportData) -> None:
        """Fills in the picture of each face that has one."""

    def add(self, picture: bytes) -> Reference:
        """Takes one more picture."""


class Inline:
    """Pictures in the page, as `data:` addresses, in the order in which the page shows them.

    Args:
        limit: Bytes of faces' pictures at most; the most important ones are kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.uris: list[str] = []

    def place_faces(self, run: Results, data: ReportData) -> None:
        """Fills in the picture of as many faces as may be."""
        kept: dict[int, bytes] = {}
        held = 0
        order = list(by_importance(data))
        for row, picture in zip(order, run.thumbnails(data.face_ids[row] for row in order), strict=False):
            held += len(picture) * 4 // 3
            if held > self.limit:
                break
            kept[row] = picture
        for group in data.groups:
            for row in group["rows"] if group["kind"] != "files" else ():
                if row in kept:
                    data.faces[row][PICTURE] = self.add(kept.pop(row))

    def add(self, picture: bytes) -> int:
        """Takes one more picture, whatever the limit."""
        self.uris.append(f"data:image/{_type(picture)};base64," + base64.b64encode(picture).decode("ascii"))
        return len(self.uris) - 1


class Beside:
    """Pictures as files in a folder of their own, named by their content; `tidy` removes those of an earlier report.

    Args:
        folder: Made if need be.

    Raises:
        ResultsError: It cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder_for(folder)
        write_bytes(folder / RESULTS_MARKER, b"pictures of a report\n")
        self.written: set[str] = set()

    def place_faces(self, run: Results, data: ReportData) -> None:
        """Writes the picture of every face."""
        for face, picture in zip(data.faces, run.thumbnails(data.face_ids), strict=True):
            face[PICTURE] = self.add(picture)

    def add(self, picture: bytes) -> str:
        """Writes one picture, unless it is there."""
        digest = hashlib.sha256(picture).hexdigest()
        name = f"{digest[:2]}/{digest[2:26]}.{'png' if _type(picture) == 'png' else 'jpg'}"
        file = self.folder / name
        if name not in self.written:
            self.written.add(name)
            folder_for(file.parent)
            if not (file.is_file() and file.read_bytes() == picture):
                write_bytes(file, picture)
        return name

    def tidy(self) -> None:
        """Removes pictures that an earlier report has left here; nothing else is touched."""
        for file in self.folder.glob(PATTERN):
            if file.suffix in (".jpg", ".png") and f"{file.parent.name}/{file.name}" not in self.written:
                file.unlink()
                with suppress(OSError):  # not empty
                    file.parent.rmdir()


def is_picture(file: Path) -> bool:
    """Whether a file has the content that its name says: what we have written, and nobody has changed."""
    if file.is_symlink() or file.parent.is_symlink() or not file.is_file():
        return False
    return hashlib.sha256(file.read_bytes()).hexdigest()[:26] == file.parent.name + file.stem


def _type(picture: bytes) -> str:
    return "png" if picture.startswith(b"\x89PNG") else "jpeg"


def place_portraits(data: ReportData, pictures: Pictures, portraits: Portraits | None) -> dict[int, Reference]:
    """A picture of each candidate of an ambiguous face: of the run, or else the gallery's; by place of the name."""
    ambiguous = (row for group in data.groups if group["kind"] == "ambiguous" for row in group["rows"])
    wanted = {name for row in ambiguous for name in (data.faces[row][5], data.faces[row][7]) if name is not None}
    best, result = best_faces(data), dict[int, Reference]()
    for name in sorted(wanted):
        reference = data.faces[best[name]][PICTURE] if name in best else None
        if reference is None and portraits and (picture := portraits(data.names[name])):
            reference = pictures.add(picture)
        if reference is not None:
            result[name] = reference
    return result
