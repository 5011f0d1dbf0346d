"""Photos as a script has them: a path, the bytes of a file, or pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from app.outcomes import Identification
from pipeline.errors import PhotoError

if TYPE_CHECKING:
    from app.photos import Source, Upload

PhotoLike: TypeAlias = "str | Path | bytes | Upload | npt.NDArray[np.uint8]"
"""A path, the encoded bytes of a photo, bytes with a name (`app.photos.Upload`), or (H, W, 3) uint8 RGB."""

_TOGETHER, _TOGETHER_BYTES = 16, 32 * 2**20


def source_of(photo: PhotoLike) -> Source:
    """The photo as the library opens it: a path stays one; pixels become a PNG, which loses nothing.

    Raises:
        ValueError: An array of another shape or dtype.
    """
    from app.photos import Upload

    if isinstance(photo, (str, Path, Upload)):
        return photo
    if isinstance(photo, np.ndarray):
        return Upload("array", _png(photo))
    return Upload("photo", bytes(photo))


def upload_of(photo: PhotoLike) -> Upload:
    """The photo as it is sent: what it is called here, and its bytes.

    Raises:
        PhotoError: The file cannot be read.
        ValueError: As `source_of`.
    """
    from app.photos import Upload
    from pipeline.images import MAX_BYTES, one_line
    from pipeline.images.source import read_file

    source = source_of(photo)
    if isinstance(source, Upload):
        return source
    name = str(source)
    return Upload(name, read_file(Path(source), one_line(name), MAX_BYTES))


def opened(photo: PhotoLike) -> Upload | PhotoError:
    """The photo as it is sent, or why it cannot be."""
    try:
        return upload_of(photo)
    except PhotoError as error:
        return error


def together(photos: Iterable[PhotoLike]) -> Iterator[list[Upload | Identification]]:
    """Photos that go in one request: a few, of some megabytes; one that cannot be read is its row already."""
    part: list[Upload | Identification] = []
    size = 0
    for photo in photos:
        found = opened(photo)
        if isinstance(found, PhotoError):
            part.append(Identification(str(photo), error=found))
            continue
        if part and (len(part) >= _TOGETHER or size + len(found.data) > _TOGETHER_BYTES):
            yield part
            part, size = [], 0
        part.append(found)
        size += len(found.data)
    if part:
        yield part


def uploads_of(part: Iterable[Upload | Identification]) -> list[Upload]:
    """What of it is sent."""
    return [one for one in part if not isinstance(one, Identification)]


def in_order(part: Iterable[Upload | Identification], rows: Iterable[Identification]) -> Iterator[Identification]:
    """The rows of those that were sent, and of those that were not, in the order of the photos."""
    seen = iter(rows)
    for one in part:
        yield one if isinstance(one, Identification) else next(seen)


@dataclass(frozen=True, slots=True)
class Brought:
    """A photo that is brought along for a run, as `app.batch` takes them.

    Attributes:
        name: What it is called.
        data: Its bytes.
    """

    name: str
    data: bytes

    @property
    def size(self) -> int:
        """How many bytes."""
        return len(self.data)

    def getvalue(self) -> bytes:
        """The bytes."""
        return self.data


def in_run(name: str) -> str:
    """What a photo is called in a run: runs take photos by their suffix, so one without gets one."""
    from pipeline.images import PHOTO_SUFFIXES

    last = name.replace("\\", "/").rpartition("/")[2]
    return last if Path(last).suffix.lower() in PHOTO_SUFFIXES else f"{last}.jpg"


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    import cv2

    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(f"pixels must be uint8 of shape (H, W, 3), not {pixels.dtype} of shape {pixels.shape}")
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError("the pixels cannot be written as PNG")
    return bytes(data)
