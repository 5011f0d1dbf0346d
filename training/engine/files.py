"""Tensors and pointers on disk, forced there before anything relies on them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.errors import CheckpointError
from pipeline.gallery import private


def store(file: Path, tensors: dict[str, Tensor]) -> None:
    """Writes tensors."""
    save_file({name: value.detach().contiguous() for name, value in tensors.items()}, file)
    sync(file)


def load(file: Path) -> dict[str, Tensor]:
    """Reads all tensors.

    Raises:
        CheckpointError: The file cannot be read.
    """
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file}: cannot be read ({error})") from error


@contextmanager
def fitting(file: Path) -> Iterator[None]:
    """While what was read from a file is put in its place.

    Raises:
        CheckpointError: Its tensors are not those of this run.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:  # what torch says of names, shapes and types
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{file}: does not fit this run ({reason[:200]})") from error


def opened(file: Path) -> Any:
    """A file of which single tensors, or rows of them, are read.

    Raises:
        CheckpointError: The file cannot be read.
    """
    try:
        return safe_open(file, framework="pt")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file}: cannot be read ({error})") from error


def pointed(pointer: Path) -> Path:
    """The folder beside it that a pointer names.

    Raises:
        CheckpointError: It cannot be read.
    """
    try:
        return pointer.parent / Path(json.loads(pointer.read_text(encoding="utf-8"))["folder"]).name
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{pointer}: cannot be read as the name of a checkpoint's folder") from error


def point(pointer: Path, name: str) -> None:
    """Makes a pointer name a folder, from one moment to the next."""
    temporary = pointer.with_name(f".{pointer.name}.partial")
    private.new_file(temporary)
    temporary.write_text(json.dumps({"folder": name}), encoding="utf-8")
    sync(temporary)
    temporary.replace(pointer)
    sync(pointer.parent)


def sync(path: Path) -> None:
    """Forces a file, or the names in a folder, to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
