"""Files that a face recogniser meets in the wild and should survive: a seeded corpus, with what is acceptable of each.

`hostile_corpus(folder)` writes about 300 small files. Default limits (64 MB, 100 megapixels) are assumed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hostile_photos import (
    EMPTY,
    NOT_FOUND,
    OK,
    UNREADABLE,
    Made,
    bombs,
    corrupt_metadata,
    disguised,
    mutated,
    oriented,
    truncated,
    unusual,
)
from tests.photo_bytes import (
    sample,
)


@dataclass(frozen=True, slots=True)
class HostileCase:
    """One path.

    Attributes:
        name: What is wrong with it.
        path: The file, folder, pipe, or nothing at all.
        acceptable: Codes of named errors, and `ok` where decoding it is right.
    """

    name: str
    path: Path
    acceptable: frozenset[str]


def hostile_corpus(folder: Path) -> list[HostileCase]:
    """Writes the corpus into `folder` (created if missing); the same files on every call."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for group in (truncated, bombs, disguised, unusual, oriented, corrupt_metadata, not_files, mutated):
        for name, content, acceptable in group():
            path = folder / f"{group.__name__}-{name}"
            if callable(content):
                content(path)
            else:
                path.write_bytes(content)
            cases.append(HostileCase(f"{group.__name__}-{name}", path, frozenset(acceptable)))
    return cases


def not_files() -> Iterator[Made]:
    """Paths with no readable file behind them."""
    yield "missing.jpg", lambda path: None, (NOT_FOUND,)
    yield "folder.jpg", lambda path: path.mkdir(exist_ok=True), (UNREADABLE,)
    yield "dangling.jpg", lambda path: _fresh(path).symlink_to("nothing-here"), (NOT_FOUND,)
    yield "link-loop.jpg", lambda path: _fresh(path).symlink_to(path.name), (UNREADABLE,)
    yield "link.jpg", _linked, (OK,)
    yield "below-a-file.jpg", lambda path: path.write_bytes(b""), (EMPTY,)
    yield "below-a-file.jpg/photo.jpg", lambda path: None, (NOT_FOUND,)
    yield "long" + "g" * 300 + ".jpg", lambda path: None, (NOT_FOUND,)
    if hasattr(os, "mkfifo"):
        yield "pipe.jpg", lambda path: os.mkfifo(_fresh(path)), (UNREADABLE,)
        for device in ("zero", "null", "tty"):
            yield f"{device}.jpg", _device(device), (UNREADABLE, NOT_FOUND)
        yield "socket.jpg", _socket, (UNREADABLE,)
        yield "forbidden.jpg", _forbidden, (UNREADABLE,) if os.geteuid() else (OK,)


def _fresh(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


def _linked(path: Path) -> None:
    target = path.with_name("not_files-target.bin")
    target.write_bytes(sample("JPEG"))
    _fresh(path).symlink_to(target.name)


def _device(name: str) -> Callable[[Path], object]:
    return lambda path: _fresh(path).symlink_to(f"/dev/{name}")


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's address is short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(_fresh(Path(path.name)).name)
    finally:
        os.chdir(here)


def _forbidden(path: Path) -> None:
    _fresh(path).write_bytes(sample("JPEG"))
    path.chmod(0)
