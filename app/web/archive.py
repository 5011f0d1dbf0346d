"""Photos in an uploaded zip: listed without unpacking, read one at a time in memory, limited before that."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Protocol

from pipeline.errors import PhotoDamagedError, PhotoFormatError, PhotoTooLargeError, PhotoUnreadableError
from pipeline.images import PHOTO_SUFFIXES

_END, _END_BYTES, _TAIL = b"PK\x05\x06", 22, 22 + 65535
_ZIP64_LOCATOR, _ZIP64_LOCATOR_BYTES = b"PK\x06\x07", 20
_MAX_DIRECTORY = 4 * 1024 * 1024  # bytes of the list of contents: some 40,000 files
_STEP = 64 * 1024
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # other methods unpack gigabytes in one step from a kilobyte


class Archive(Protocol):
    """The file of a zip: an upload, or one on the disk."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def file_id(self) -> str:
        """Identity of the upload."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Bytes."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Goes to a place."""
        ...

    def tell(self) -> int:
        """Where it is."""
        ...

    def seekable(self) -> bool:
        """That it can go to a place."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """A photo in a zip, handed on like an upload of its own.

    Attributes:
        file_id: Identity of the zip and place in it.
        name: Its path in the zip; shown, never used as a path.
        zip_name: What the zip is called.
        size: Bytes it will have, as the zip claims; more are neither unpacked nor taken.
        archive: The zip, whose list of contents was read once for all: it may have 80,000 lines.
        entry: The photo's line in it.
        max_bytes: Largest photo that is read.
    """

    file_id: str
    name: str
    zip_name: str
    size: int
    archive: zipfile.ZipFile
    entry: zipfile.ZipInfo
    max_bytes: int

    def getvalue(self) -> bytes:
        """The bytes of the photo, unpacked in small steps: never more than the zip claims, and one step.

        Raises:
            PhotoError: Too large, encrypted, packed otherwise than plainly or by deflate, or damaged.
        """
        if self.size > self.max_bytes:
            has, may = self.size / 2**20, self.max_bytes / 2**20
            raise PhotoTooLargeError(f"{self.name}: {has:.1f} MB unpacked, and at most {may:.1f} MB are read")
        rare = PhotoUnreadableError(f"{self.name}: cannot be unpacked (encrypted, or packed in a rare way)")
        if self.entry.compress_type not in _PLAIN:
            raise rare
        try:
            with self.archive.open(self.entry) as stream:
                return _read(stream, self.size)
        except RuntimeError as error:  # encrypted; NotImplementedError, a kind of RuntimeError: a later version of zip
            raise rare from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise PhotoDamagedError(f"{self.name}: is damaged in the zip {self.zip_name}; pack it again") from error


def _read(stream: IO[bytes], size: int) -> bytes:
    """Everything in a stream, which must not be more than `size` bytes; read to its end, where its checksum is held.

    Never asks for more than a step: zipfile unpacks as much as it is asked for, before it cuts to the size in the zip.
    """
    data = bytearray()
    while part := stream.read(min(_STEP, size + 1 - len(data))):
        data += part
        if len(data) > size:
            raise zipfile.BadZipFile("more than its claimed size")
    return bytes(data)


def members(archive: Archive, max_bytes: int) -> Iterator[Member]:
    """The photos in a zip, told by their suffix; folders, hidden files and what macOS adds are left out.

    Raises:
        PhotoFormatError: It is no zip.
        PhotoTooLargeError: It lists too many files.
    """
    _check_directory(archive)
    try:
        packed = zipfile.ZipFile(archive)  # not closed: the photos are read from it; the file is its owner's to close
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise PhotoFormatError(f"{archive.name}: is not a zip that can be read; pack it again") from error
    for place, info in enumerate(packed.infolist()):
        path = PurePosixPath(info.filename)
        hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts)
        if not info.filename.endswith("/") and not hidden and path.suffix.lower() in PHOTO_SUFFIXES:
            file_id = f"{archive.file_id}/{place}"
            yield Member(file_id, info.filename, archive.name, info.file_size, packed, info, max_bytes)


def _check_directory(archive: Archive) -> None:
    """Refuses a list of contents that would fill the memory, before it is read.

    Looks at whatever may be taken for the record at the end of a zip, and at the 64-bit record that overrules it.
    """
    archive.seek(max(0, archive.seek(0, io.SEEK_END) - _TAIL))
    tail = archive.read()
    at = tail.find(_END)
    while at >= 0:
        record = tail[at : at + _END_BYTES]
        size = struct.unpack_from("<L", record, 12)[0] if len(record) == _END_BYTES else 0
        large = tail[max(0, at - _ZIP64_LOCATOR_BYTES) : at].startswith(_ZIP64_LOCATOR)
        if size > _MAX_DIRECTORY or large:
            raise PhotoTooLargeError(f"{archive.name}: lists too many files; pack fewer photos at once")
        at = tail.find(_END, at + 1)
