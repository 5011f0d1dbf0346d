"""A zip of photos that is brought to the service: onto the disk without a name, and from there into a run."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from app.brought import require_room, room, writing
from app.web.archive import Member, members

_LOOK = 64 * 2**20  # after so many bytes more it is looked at how much room there is


class _Zip:
    """A zip on the disk, under a name of ours."""

    name, file_id = "the zip", ""

    def __init__(self, file: IO[bytes]) -> None:
        self.read, self.seek, self.tell, self.seekable = file.read, file.seek, file.tell, file.seekable


def photos_of(file: IO[bytes], max_bytes: int) -> Iterator[Member]:
    """The photos in it, each read when its turn comes. Errors: `members`."""
    return members(_Zip(file), max_bytes)


@asynccontextmanager
async def received(request: Request, folder: Path) -> AsyncIterator[IO[bytes]]:
    """The body of a request on the disk; nobody else can open it, and it goes at the end.

    Args:
        request: Its body was not read yet.
        folder: On the disk where it goes.

    Raises:
        DiskFullError: It does not fit.
    """
    claimed = request.headers.get("content-length", "0")
    require_room(int(claimed) if claimed.isascii() and claimed.isdecimal() else 0, room(folder))
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        left = 0
        async for part in request.stream():
            left -= len(part)
            if left < 0:
                require_room(_LOOK, room(folder))
                left = _LOOK
            await run_in_threadpool(_write, file, part)
        yield file


def _write(file: IO[bytes], part: bytes) -> None:
    with writing():
        rest = memoryview(part)
        while rest:
            rest = rest[file.write(rest) :]
