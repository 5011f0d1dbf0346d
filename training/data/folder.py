"""A folder per identity: ROOT/IDENTITY/*.jpg, crops of 112x112 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import TrainingDataError
from pipeline.images import PHOTO_SUFFIXES
from pipeline.types import Image
from training.data.crops import decode_crop
from training.data.dataset import I64
from training.data.shard import read_at, size_of


class FolderDataset:
    """Identities and samples in the order of their names.

    Args:
        root: The folder. Hidden files and files that are no photos by their suffix are passed over.

    Raises:
        TrainingDataError: It is no folder, or has no identity with a photo.
    """

    identities: Sequence[str]
    labels: I64

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
            listed = {folder.name: _photos(folder) for folder in folders}
        except OSError as error:
            raise TrainingDataError(f"{root}: cannot be read as a folder of identities ({error.strerror})") from error
        listed = {name: files for name, files in listed.items() if files}
        if not listed:
            raise TrainingDataError(f"{root}: holds no identity; it should hold a folder per person with crops in it")
        self.identities = tuple(listed)
        self.labels = np.repeat(np.arange(len(listed)), [len(files) for files in listed.values()])
        self._files = [f"{name}/{file}" for name, files in listed.items() for file in files]

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        """The path of a sample below the folder."""
        return self._files[index]

    def encoded(self, index: int) -> bytes:
        """The bytes of the file.

        Raises:
            TrainingDataError: It cannot be read.
        """
        file = self.root / self._files[index]
        return read_at(file, 0, size_of(file), "a crop")

    def read(self, index: int) -> Image:
        """The crop of one sample: (112, 112, 3) uint8 RGB.

        Raises:
            TrainingDataError: The file cannot be decoded, or has another size.
        """
        file = self.root / self._files[index]
        return decode_crop(file, str(file))


def _photos(folder: Path) -> list[str]:
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.suffix.lower() in PHOTO_SUFFIXES and not entry.name.startswith(".")
    )
