"""One photo put somewhere: a link or a copy, never in place of anything."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from app.runs.output.manifest import Placed
from pipeline.errors import PhotoNotFoundError, PhotoUnreadableError
from pipeline.images import one_line

_BLOCK = 1 << 20


def place(file: Path, placed: Placed) -> bool:
    """Makes the link or copy; False where another file came to stand there meanwhile.

    Raises:
        PhotoNotFoundError: The photo is gone.
        PhotoUnreadableError: It has changed since it was identified (seen when it is copied).
        OSError: It cannot be made; e.g. a hard link to another disk.
    """
    if not os.path.isfile(placed.photo):  # noqa: PTH113
        raise PhotoNotFoundError(f"{one_line(placed.photo)}: there is no such file any more")
    try:
        if placed.how == "symlink":
            file.symlink_to(placed.photo)
        elif placed.how == "hardlink":
            os.link(os.path.realpath(placed.photo), file)
        else:
            _copy(file, placed)
    except FileExistsError:
        return False
    return True


def _copy(file: Path, placed: Placed) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".knownface-")
    temporary = Path(name)
    try:
        digest = hashlib.sha256()
        with os.fdopen(handle, "wb") as target, open(placed.photo, "rb") as source:  # noqa: PTH123
            status = os.fstat(source.fileno())
            while block := source.read(_BLOCK):
                digest.update(block)
                target.write(block)
        if digest.hexdigest() != placed.sha256:
            raise PhotoUnreadableError(
                f"{one_line(placed.photo)}: has changed since it was identified: run the command again"
            )
        os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
        _name_it(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def _name_it(temporary: Path, file: Path) -> None:
    """Gives the file its name without ever replacing another one."""
    try:
        os.link(temporary, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(file):
            raise FileExistsError(0, "a file of this name came meanwhile") from None
        temporary.rename(file)


def is_placed(file: Path, placed: Placed) -> bool:
    """Whether what stands there is just that link, or a copy of just that content."""
    try:
        if placed.how == "symlink":
            return file.is_symlink() and os.readlink(file) == placed.photo  # noqa: PTH115
        if file.is_symlink():
            return False
        if placed.how == "hardlink":
            return os.path.samefile(file, placed.photo)  # noqa: PTH121
        return content_is(file, placed.sha256)
    except OSError:
        return False


def content_is(file: str | Path, sha256: str) -> bool:
    """Whether a regular file with this content is there."""
    try:
        if not os.path.isfile(file):  # noqa: PTH113
            return False
        with open(file, "rb") as stream:  # noqa: PTH123
            return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
    except OSError:
        return False
