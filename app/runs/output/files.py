"""Result files: written to a temporary name, readable by their owner only, and renamed once they are whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import ResultsError
from pipeline.gallery import private
from pipeline.images import one_line


def folder_for(folder: Path) -> Path:
    """Makes the folder, readable by its owner only, unless it is there.

    Raises:
        ResultsError: It cannot be made, or is a file.
    """
    try:
        private.make_folder(folder)
    except OSError as error:
        raise ResultsError(f"{one_line(str(folder))}: no folder can be made here ({error.strerror})") from error
    return folder


@contextmanager
def replacing(file: Path, *, mode: int = private.FILE_MODE) -> Iterator[BinaryIO]:
    """A stream whose bytes replace `file` at the end; where anything fails, `file` stays as it was.

    Args:
        file: What is written; its folder is there.
        mode: Permissions of the new file.

    Raises:
        ResultsError: The disk is full, the folder cannot be written to, or a folder has this name.
    """
    try:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".knownface-")
    except OSError as error:
        raise ResultsError(f"{one_line(str(file))}: cannot be written ({error.strerror})") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        temporary.chmod(mode)
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ResultsError(f"{one_line(str(file))}: cannot be written ({error.strerror or error})") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(file: Path, data: bytes, *, mode: int = private.FILE_MODE) -> None:
    """Replaces `file` by these bytes.

    Raises:
        ResultsError: It cannot be written.
    """
    with replacing(file, mode=mode) as stream:
        stream.write(data)
