"""The photos of a zip that was brought to the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from app.web.archive import Member, members


class _Zip:
    """A zip on the disk, under a name of ours."""

    name, file_id = "the zip", ""

    def __init__(self, file: IO[bytes]) -> None:
        self.read, self.seek, self.tell, self.seekable = file.read, file.seek, file.tell, file.seekable


def photos_of(file: IO[bytes], max_bytes: int) -> Iterator[Member]:
    """The photos in it, each read when its turn comes. Errors: `members`."""
    return members(_Zip(file), max_bytes)
