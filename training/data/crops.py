"""A crop from its encoded bytes, and identities that have numbers for names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from pipeline.errors import PhotoError, TrainingDataError
from pipeline.images import open_photo
from pipeline.types import Image
from training.data.dataset import I64, SIDE


def decode_crop(source: Path | bytes, name: str) -> Image:
    """Decodes a crop.

    Args:
        source: The file, or its bytes.
        name: What to call it in messages.

    Returns:
        (112, 112, 3) uint8 RGB, the caller's own.

    Raises:
        TrainingDataError: It cannot be decoded, or has another size.
    """
    try:
        pixels = open_photo(source, name=name).pixels()
    except PhotoError as error:
        raise TrainingDataError(error.message) from error
    if pixels.shape != (SIDE, SIDE, 3):
        height, width = pixels.shape[:2]
        raise TrainingDataError(
            f"{name}: is {width}x{height} pixels; training takes crops of {SIDE}x{SIDE}, aligned by `data build`"
        )
    return pixels.copy()


class NumberedIdentities(Sequence[str]):
    """Names of identities that are known by their numbers only; made when asked for.

    Args:
        numbers: (C,) int64, ascending.
    """

    def __init__(self, numbers: I64) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> NumberedIdentities: ...
    def __getitem__(self, place: int | slice) -> str | NumberedIdentities:
        if isinstance(place, slice):
            return NumberedIdentities(self._numbers[place])
        return str(int(self._numbers[place]))


def dense_labels(numbers: I64) -> tuple[NumberedIdentities, I64]:
    """Identities of the numbers that occur, ascending, and (N,) labels in [0, C)."""
    found, labels = np.unique(numbers, return_inverse=True)
    return NumberedIdentities(found), labels.reshape(-1).astype(np.int64)


def named_labels(found: Sequence[str]) -> tuple[tuple[str, ...], I64]:
    """The names that occur, ascending, and (N,) labels in [0, C)."""
    names = tuple(sorted(set(found)))
    places = {name: place for place, name in enumerate(names)}
    return names, np.array([places[name] for name in found], np.int64)
