"""XMP sidecars beside photos: who is in them, and where. The photos themselves are never touched."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from app.runs.output.files import write_bytes
from app.runs.output.source import Results, photos
from app.runs.output.xmp_document import Region, Sidecar, XmpError
from app.runs.records import FaceRow
from pipeline.errors import KnownfaceError, PhotoUnreadableError, ResultsError
from pipeline.gallery import private
from pipeline.images import MAX_BYTES, one_line
from pipeline.images.decode import read_header
from pipeline.images.headers import exif_orientation, sniff
from pipeline.images.source import read_file

Naming = Literal["full", "stem"]
_MAX_XMP = 32 * 2**20
_ANY_PIXELS = 2**32  # the photo is not decoded here


@dataclass
class Sidecars:
    """What became of it.

    Attributes:
        written: Sidecars made or changed.
        unchanged: Those that said so already.
        removed: Those that held nothing but what is no longer so.
        theirs: Faces that another program has named; its name was left as it is.
        failed: Photos whose sidecar could not be written, with the reason.
    """

    written: int = 0
    unchanged: int = 0
    removed: int = 0
    theirs: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


def write_xmp(run: Results, *, naming: Naming = "full", max_bytes: int = MAX_BYTES) -> Sidecars:
    """Writes names and face regions of everybody named into a sidecar beside each photo (videos have none).

    Args:
        run: What was identified.
        naming: `full`: `photo.jpg.xmp` (digiKam, darktable, Immich); `stem`: `photo.xmp` (Adobe, for raw files).
        max_bytes: Largest photo that is read.

    Returns:
        The counts, and the photos that failed.
    """
    result = Sidecars()
    owners: dict[str, str] = {}
    for paths, faces in photos(run):
        if faces[0].kind == "video":
            continue
        named = [face for face in faces if face.decision == "match" and face.subject is not None]
        for path in paths:
            sidecar = Path(sidecar_of(path, naming))
            try:
                if owners.setdefault(str(sidecar), path) != path:
                    raise ResultsError(f"{one_line(str(sidecar))}: belongs to {one_line(owners[str(sidecar)])} already")
                _one(Path(path), sidecar, named, max_bytes, result)
            except KnownfaceError as error:
                result.failed.append((path, error.message))
    return result


def sidecar_of(photo: str, naming: Naming) -> str:
    """Where the sidecar of a photo lies."""
    return f"{photo}.xmp" if naming == "full" else f"{os.path.splitext(photo)[0]}.xmp"  # noqa: PTH122


def planned(run: Results, naming: Naming) -> Iterator[str]:
    """The sidecars that `write_xmp` puts somebody into: of every photo with a name."""
    for paths, faces in photos(run):
        if faces[0].kind != "video" and any(face.decision == "match" for face in faces):
            yield from (sidecar_of(path, naming) for path in paths)


def _one(photo: Path, file: Path, named: Sequence[FaceRow], max_bytes: int, result: Sidecars) -> None:
    before = read_sidecar(file)
    if before is None and not named:
        return
    try:
        document = Sidecar(before)
    except XmpError as error:
        raise ResultsError(f"{one_line(str(file))}: {error}; it was left as it is") from error
    if named:
        orientation = _orientation(photo, named[0].sha256, max_bytes)
        height, width = named[0].image_hw
        stored_hw = (width, height) if orientation >= 5 else (height, width)
        result.theirs += document.update([_region(face, orientation) for face in named], stored_hw)
    else:
        document.update((), None)
    _write(photo, file, before, document, result)


def _write(photo: Path, file: Path, before: bytes | None, document: Sidecar, result: Sidecars) -> None:
    data = None if document.empty else document.data()
    if data == before:
        result.unchanged += before is not None
        return
    if read_sidecar(file) != before:
        raise ResultsError(f"{one_line(str(file))}: another program has just changed it; run the command again")
    if data is None:
        file.unlink()
        result.removed += 1
        return
    write_bytes(file, data, mode=sidecar_mode(photo if before is None else file))
    result.written += 1


def read_sidecar(file: Path) -> bytes | None:
    """The sidecar's bytes; None where there is none.

    Raises:
        ResultsError: It is a link, no regular file, too large, or cannot be read.
    """
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise ResultsError(f"{one_line(str(file))}: is no regular file; it was left as it is")
        if status.st_size > _MAX_XMP:
            raise ResultsError(f"{one_line(str(file))}: is larger than any sidecar; it was left as it is")
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultsError(f"{one_line(str(file))}: cannot be read ({error.strerror})") from error


def sidecar_mode(beside: Path) -> int:
    """Permissions of a sidecar: those of what it stands beside, or in place of."""
    return private.FILE_MODE | (stat.S_IMODE(beside.stat().st_mode) & 0o666)


def _orientation(photo: Path, sha256: str, max_bytes: int) -> int:
    """The Exif orientation that programs apply to the stored image, 1 to 8.

    Raises:
        PhotoError: It cannot be read, or has changed since it was identified.
    """
    label = one_line(str(photo))
    data = read_file(photo, label, max_bytes)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise PhotoUnreadableError(f"{label}: has changed since it was identified: run the command again")
    if sniff(data) == "TIFF":  # its header is one, and Pillow turns it upright itself
        return exif_orientation(data)
    return read_header(data, label, _ANY_PIXELS).orientation


def _region(face: FaceRow, orientation: int) -> Region:
    """The face as a share of the stored image, cut at its edges."""
    height, width = face.image_hw
    x0, y0, x1, y1 = face.box
    left, right = (min(max(x / width, 0.0), 1.0) for x in (x0, x1))
    top, bottom = (min(max(y / height, 0.0), 1.0) for y in (y0, y1))
    (ax, ay), (bx, by) = stored_point(left, top, orientation), stored_point(right, bottom, orientation)
    centre = (ax + bx) / 2, (ay + by) / 2
    return Region(face.subject or "", face.face_id, *centre, abs(bx - ax), abs(by - ay))


def stored_point(u: float, v: float, orientation: int) -> tuple[float, float]:
    """Where a point of the upright photo lies in the stored one; both as shares of width and height.

    Exif 2.32, 4.6.4 A, Orientation.
    """
    if orientation >= 5:  # stored on its side
        u, v = v, u
    return (1 - u if orientation in (2, 3, 7, 8) else u), (1 - v if orientation in (3, 4, 6, 7) else v)
