"""Hashing, unpacking and other small things about files, with limits."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from pipeline.errors import FetchError, HashMismatchError

Progress = Callable[[str, int, int | None], None]
"""Called with what is being fetched, bytes so far, and bytes in all (None if unknown)."""

CHUNK = 1 << 20
#: Largest file that is taken out of an archive somebody hands over, and largest archive.
FILE_LIMIT, ARCHIVE_LIMIT = 1 << 30, 3 << 30
_MAX_FILES = 500
_MAX_RATIO = 200  # weights hardly compress; zeros do, a thousandfold
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack a whole block at once, whatever is asked for
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError)


def bare_environment() -> dict[str, str]:
    """The environment for a program that fetches: without what is ours, the key of an encrypted gallery above all."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("KNOWNFACE_")}


def sha256_of(file: Path) -> str:
    """SHA-256 of a file, 64 lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def check_hash(file: Path, expected: str, what: str) -> None:
    """Removes the file and raises unless it has the expected SHA-256.

    Raises:
        HashMismatchError: It has another one.
    """
    found = sha256_of(file)
    if found != expected:
        file.unlink(missing_ok=True)
        raise HashMismatchError(
            f"{what}: has SHA-256 {found[:16]}…, expected {expected[:16]}…; refused and removed. "
            "Try again; if it stays so, the source was changed"
        )


def extract_member(archive: Path, member: str, target: Path, limit: int) -> None:
    """Writes exactly one member of a zip, wheel or tar archive to `target`; names in the archive become no paths.

    Raises:
        FetchError: The archive cannot be read, has no such regular file, or the file exceeds `limit` bytes.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                _check_packing(archive, wheel.getinfo(member))
                with wheel.open(member) as content:
                    _copy(content, target, limit, member)
            return
        with tarfile.open(archive, "r:*") as tar:
            for entry in tar:
                if entry.name == member and entry.isreg() and (stream := tar.extractfile(entry)) is not None:
                    _copy(stream, target, limit, member)
                    return
    except (tarfile.TarError, KeyError, *_DAMAGE) as error:
        raise FetchError(f"{archive.name}: {member} cannot be taken out ({error})") from error
    raise FetchError(f"{archive.name}: has no file {member}")


def _copy(stream: IO[bytes], target: Path, limit: int, member: str) -> None:
    written = 0
    with target.open("wb") as out:
        while chunk := stream.read(CHUNK):
            written += len(chunk)
            if written > limit:
                break
            out.write(chunk)
    if written > limit:
        target.unlink(missing_ok=True)
        raise FetchError(f"{member}: unpacks to more than {limit} bytes; refused")


def unpack_zip(archive: Path, into: Path, suffixes: tuple[str, ...]) -> list[tuple[Path, str]]:
    """Unpacks the files with these suffixes flat into a folder, under their own base names.

    Returns:
        Each file with its path inside the archive.

    Raises:
        FetchError: A path leads outside, a limit is exceeded, two names are equal, or the archive is damaged.
    """
    unpacked: dict[Path, str] = {}
    try:
        with zipfile.ZipFile(archive) as pack:
            entries = [entry for entry in pack.infolist() if not entry.filename.endswith("/")]  # one may have no name
            _refuse_attack(archive, entries)
            for entry in (e for e in entries if e.filename.lower().endswith(suffixes)):
                target = into / PurePosixPath(entry.filename).name
                if target in unpacked:
                    raise FetchError(f"{archive}: has two files named {target.name}; refused")
                with pack.open(entry) as stream:
                    _copy(stream, target, min(entry.file_size, FILE_LIMIT), entry.filename)
                unpacked[target] = entry.filename
    except _DAMAGE as error:
        raise FetchError(f"{archive}: cannot be unpacked ({error})") from error
    return list(unpacked.items())


def _refuse_attack(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in entry.filename or not path.name:
            raise FetchError(f"{archive}: {entry.filename!r} leads outside the archive; refused")
        _check_packing(archive, entry)
        bomb = entry.file_size > CHUNK and entry.file_size > _MAX_RATIO * max(entry.compress_size, 1)
        if bomb or entry.file_size > FILE_LIMIT:
            raise FetchError(f"{archive}: {entry.filename} unpacks to {entry.file_size} bytes; refused")
    if len(entries) > _MAX_FILES or sum(entry.file_size for entry in entries) > ARCHIVE_LIMIT:
        raise FetchError(f"{archive}: unpacks to more than {ARCHIVE_LIMIT} bytes or {_MAX_FILES} files; refused")


def _check_packing(archive: Path, entry: zipfile.ZipInfo) -> None:
    if entry.compress_type not in _PACKED:
        raise FetchError(f"{archive}: {entry.filename!r} is not compressed by deflate; refused: pack it again")


def remove(path: Path) -> None:
    """Removes a file or a folder with all it holds; nothing happens if it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
