"""Files that only their owner may read: templates and photos are personal data, whatever the umask says.

A folder that was there keeps its mode, and so does a file: who shares a gallery with a group does that on purpose. So
the lock and the index take the mode of the database they stand beside, as SQLite does with its log.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from filelock import BaseFileLock

FILE_MODE = 0o600
FOLDER_MODE = 0o700
READ, WRITE = 0o077, 0o022
"""What group and others have of a mode: reading and everything else, or writing."""


def make_folder(folder: Path) -> None:
    """Makes the folder, and those above it that are not there: who may write those could swap what is in them."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(FOLDER_MODE, exist_ok=True)


def touch(file: Path, *, beside: Path | None = None) -> int:
    """Makes an empty file, with the mode of the one beside it, unless there is one; returns the mode it has."""
    with suppress(FileExistsError):
        _make(file, beside)
    with suppress(FileNotFoundError):  # a lock that its last holder has removed meanwhile
        return stat.S_IMODE(file.stat().st_mode)
    return FILE_MODE


def new_file(file: Path, *, beside: Path | None = None) -> None:
    """Makes an empty file, with the mode of the one beside it, in place of what has this name; follows no link."""
    file.unlink(missing_ok=True)
    _make(file, beside)


def create(file: Path, *, newline: str | None = None) -> TextIO:
    """Opens a new text file to write to, UTF-8.

    Raises:
        FileExistsError: There is something of this name.
    """
    _make(file, None)
    return file.open("w", encoding="utf-8", newline=newline)


def others_may(file: Path, rights: int) -> bool:
    """Whether somebody else has rights to a file or folder: by its mode, or because it is theirs.

    It may belong to whoever runs this, to root, or to the owner of the folder it lies in, who could swap it anyway.

    Args:
        file: It is there.
        rights: READ or WRITE.

    Raises:
        OSError: It cannot be looked at.
    """
    if os.name != "posix":
        return False
    found = file.stat()
    owners = {0, os.getuid(), file.parent.stat().st_uid}
    return bool(stat.S_IMODE(found.st_mode) & rights) or found.st_uid not in owners


def lock(file: Path, timeout_s: float, *, beside: Path) -> BaseFileLock:
    """A lock between processes, not yet taken."""
    from filelock import FileLock  # noqa: PLC0415 - only needed to make, upgrade, restore or save

    return FileLock(file, timeout=timeout_s, mode=FILE_MODE | touch(file, beside=beside))


def _make(file: Path, beside: Path | None) -> None:
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE))
    if beside is not None and beside.exists():
        mode = FILE_MODE | (stat.S_IMODE(beside.stat().st_mode) & 0o666)
        if mode != FILE_MODE:
            file.chmod(mode)
