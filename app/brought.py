"""Photos that are brought along for a run: how many and how much, and where they are put meanwhile."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from app.runs.output.safe_names import folder_name
from pipeline.errors import DiskFullError, PhotoTooLargeError, PhotoUnreadableError, ResultsError
from pipeline.gallery import private
from pipeline.images import PHOTO_SUFFIXES

#: How many, and bytes of them all.
MOST_PHOTOS, MOST_BYTES = 10_000, 2 * 2**30
#: Of the disk that is left, so much stays free.
_STAYS_FREE = 512 * 2**20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Brought(Protocol):
    """A photo that was brought along."""

    @property
    def name(self) -> str:
        """What it is called; it may have slashes."""
        ...

    @property
    def size(self) -> int:
        """Bytes that it claims to have; `getvalue` gives no more."""
        ...

    def getvalue(self) -> bytes:
        """The bytes."""
        ...


def bring(photos: Iterable[Brought], folder: Path) -> int:
    """Puts the photos into a new folder, under names of ours; returns how many there are.

    Raises:
        PhotoError: They are none, too many or too large together, or one cannot be unpacked.
        DiskFullError: They do not fit on the disk.
        ResultsError: They cannot be written for another reason.
    """
    with writing():
        private.make_folder(folder.parent.parent)
        private.make_folder(folder.parent)
        private.make_folder(folder)
    free = room(folder)
    count = size = 0
    for count, photo in enumerate(photos, 1):
        size += photo.size
        if count > MOST_PHOTOS or size > MOST_BYTES:
            raise PhotoTooLargeError(
                f"too many photos at once: at most {MOST_PHOTOS:,}, of {MOST_BYTES // 2**20:,} MB together; bring fewer"
            )
        require_room(size, free)
        shown = PurePosixPath(photo.name.replace("\\", "/"))
        suffix = shown.suffix if shown.suffix.lower() in PHOTO_SUFFIXES else ""  # a run takes photos by that
        file = folder / (folder_name(f"{count:05d} {shown.stem}") + suffix)
        data = photo.getvalue()
        with writing():
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, private.FILE_MODE)
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
    if not count:
        raise PhotoUnreadableError("there are no photos in it")
    return count


def room(folder: Path) -> int:
    """Bytes that may still be brought into a folder of this disk."""
    return shutil.disk_usage(folder).free - _STAYS_FREE


def require_room(size: int, free: int) -> None:
    """Lets pass what fits.

    Raises:
        DiskFullError: It does not.
    """
    if size > free:
        raise DiskFullError(
            f"the disk has room for {max(0, free) // 2**20:,} MB more: make room, or bring fewer photos"
        )


@contextmanager
def writing() -> Iterator[None]:
    """What is written meanwhile may find the disk full.

    Raises:
        DiskFullError: It is.
        ResultsError: It cannot be written for another reason.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError("the disk became full: make room, or bring fewer photos") from error
        raise ResultsError(f"what was brought along cannot be written ({error.strerror or error})") from error
