"""Reading a stretch of a shard file, with errors that say where."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import TrainingDataError


def size_of(file: Path) -> int:
    """Bytes of a file.

    Raises:
        TrainingDataError: It cannot be looked at.
    """
    try:
        return file.stat().st_size
    except OSError as error:
        raise TrainingDataError(f"{file}: cannot be read ({error.strerror})") from error


def read_at(file: Path, offset: int, length: int, what: str) -> bytes:
    """The bytes [offset, offset + length) of a file.

    The file is opened and closed here, which takes microseconds beside the decoding of a crop: so a dataset holds no
    open file, may be used by threads and processes alike, and is not bound by how many files may be open.

    Args:
        file: The shard.
        offset: First byte.
        length: How many.
        what: What is read, for messages.

    Raises:
        TrainingDataError: It cannot be read, or ends before.
    """
    try:
        with file.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(length)
    except OSError as error:
        raise TrainingDataError(f"{file}: {what} at byte {offset} cannot be read ({error.strerror})") from error
    if len(data) < length:
        raise truncated(file, offset, length, what, offset + len(data))
    return data


def whole_number(text: str) -> int | None:
    """The number that up to 18 ASCII digits write, so that it fits into 64 bits; None for anything else."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def truncated(file: Path, offset: int, length: int, what: str, size: int) -> TrainingDataError:
    """The error for a file that ends too early."""
    return TrainingDataError(
        f"{file}: {what} at byte {offset} has {length} bytes, but the file ends at byte {size}: it is truncated; "
        "copy it again"
    )


def read_text_of(file: Path) -> str:
    """The text of a list or index, however long.

    Raises:
        TrainingDataError: It cannot be read, or is no UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise TrainingDataError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise TrainingDataError(f"{file}: is no UTF-8 text (byte {error.start})") from error
