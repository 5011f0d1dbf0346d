"""Bytes of a photo's file, and names that are safe to print."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from pathlib import Path

from pipeline.errors import PhotoEmptyError, PhotoNotFoundError, PhotoTooLargeError, PhotoUnreadableError

MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 100_000_000
# For walking folders only: what a file is, its content decides.
# fmt: off
PHOTO_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif",
    ".heic", ".heif", ".hif", ".avif",
})
# Likewise. Not `.ts`: most files called so are programs in TypeScript.
VIDEO_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".vob", ".mts", ".m2ts", ".wmv",
    ".asf", ".flv", ".3gp", ".3g2", ".ogv", ".mxf",
})
# fmt: on
_KINDS = (
    (stat.S_ISDIR, "is a folder, not a {0}; name the {0}s inside it"),
    (stat.S_ISFIFO, "is a pipe, not a {0}; save its content to a file first"),
    (stat.S_ISSOCK, "is a socket, not a {0}; name {1} file"),
)
_FILE_OF = {"photo": "an image", "video": "a video"}


def one_line(name: str) -> str:
    r"""`name` with every character that does not print (line breaks, escapes, undecodable bytes) written as `\x..`."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def megabytes(count: int) -> str:
    """A number of bytes for a message, e.g. `64.0 MB` (1 MB = 1024 * 1024 bytes)."""
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{count} bytes"


def check_bytes(label: str, count: int, max_bytes: int) -> None:
    """Refuses no bytes and more than `max_bytes`.

    Raises:
        PhotoEmptyError: `count` is 0.
        PhotoTooLargeError: `count` is over the limit.
    """
    if count == 0:
        raise PhotoEmptyError(f"{label}: is empty (0 bytes); copy the photo again from where it came")
    if count > max_bytes:
        raise PhotoTooLargeError(
            f"{label}: has more than {megabytes(max_bytes)}, the limit; save it smaller or raise max_bytes"
        )


def read_file(path: Path, label: str, max_bytes: int) -> bytes:
    """The content of a regular file; pipes, sockets and devices are refused without being waited for.

    Args:
        path: The file; links are followed.
        label: What to call it in messages.
        max_bytes: Largest content that is read.

    Raises:
        PhotoNotFoundError: There is no such file.
        PhotoUnreadableError: It is not a regular file, permission is missing, or reading failed.
        PhotoEmptyError: It has no bytes.
        PhotoTooLargeError: It has more than `max_bytes`.
    """
    try:
        with open_regular(path, label) as file:
            status = os.fstat(file.fileno())
            if status.st_size:  # a file of /proc has none and yet content
                check_bytes(label, status.st_size, max_bytes)
            parts, room = [], max_bytes + 1
            while room > 0 and (part := file.read(min(room, max(status.st_size + 1, 1 << 16)))):
                parts.append(part)
                room -= len(part)
    except OSError as error:
        raise named_os_error(error, label) from error
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    check_bytes(label, len(data), max_bytes)
    return data


def open_regular(path: Path, label: str, what: str = "photo") -> io.FileIO:
    """Opens a regular file for reading; pipes, sockets and devices are refused without being waited for.

    Args:
        path: The file; links are followed.
        label: What to call it in messages.
        what: `photo` or `video`: what it should be.

    Raises:
        PhotoNotFoundError: There is no such file.
        PhotoUnreadableError: It is not a regular file, or permission is missing.
    """
    try:
        _check_regular(path.stat().st_mode, label, what)  # before opening: opening a device can have effects
        # Non-blocking in case the file is replaced by a pipe in between.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        file = io.FileIO(fd)
        try:
            _check_regular(os.fstat(fd).st_mode, label, what)
        except PhotoUnreadableError:
            file.close()
            raise
    except OSError as error:
        raise named_os_error(error, label) from error
    except ValueError as error:  # a NUL in the name
        raise PhotoNotFoundError(f"{label}: cannot be the name of a file; check the path") from error
    return file


def hash_file(path: Path, label: str, what: str = "photo") -> str:
    """SHA-256 of a regular file of any size, in hexadecimal; read a piece at a time.

    Args:
        path: The file; links are followed.
        label: What to call it in messages.
        what: `photo` or `video`: what it should be.

    Raises:
        PhotoNotFoundError: There is no such file.
        PhotoUnreadableError: It is not a regular file, permission is missing, or reading failed.
    """
    try:
        with open_regular(path, label, what) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise named_os_error(error, label) from error


def _check_regular(mode: int, label: str, what: str) -> None:
    if not stat.S_ISREG(mode):
        said = next((text for test, text in _KINDS if test(mode)), "is a device, not a {0}; name {1} file")
        raise PhotoUnreadableError(f"{label}: {said.format(what, _FILE_OF[what])}")


def named_os_error(error: OSError, label: str) -> PhotoNotFoundError | PhotoUnreadableError:
    """The error of a photo or video that the system would not let be read."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return PhotoNotFoundError(f"{label}: there is no such file; check the path")
    if error.errno in (errno.EACCES, errno.EPERM):
        return PhotoUnreadableError(f"{label}: may not be read (permission denied); change the file's permissions")
    return PhotoUnreadableError(
        f"{label}: cannot be read ({one_line(error.strerror or str(error))}); check the disk and try again"
    )
