"""Writes a shard and its index: under a temporary name, then renamed, so that a shard is there whole or not at all."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import cv2
import numpy as np

from pipeline.types import Image
from training.data.shard_index import ShardIndex

Encoding = Literal["jpg", "png"]
#: Quality of JPEG crops, with colours at full resolution.
JPEG_QUALITY = 95
_BLOCK = 512


def shard_file(folder: Path, number: int) -> Path:
    """The place of a shard."""
    return folder / f"shard-{number:06d}.tar"


def encode_crop(crop: Image, encoding: Encoding) -> bytes:
    """(112, 112, 3) uint8 RGB as the bytes of a file."""
    options = []
    if encoding == "jpg":
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, data = cv2.imencode(f".{encoding}", cv2.cvtColor(np.asarray(crop), cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"OpenCV cannot write {encoding}")
    return bytes(data)


class ShardWriter:
    """A shard while it is written. Used in a `with` block: at its end the shard is durable; after an error nothing is.

    Args:
        file: Where it is to stand; its index stands beside it.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._part = file.with_name(f".{file.name}.part")
        self._stream = self._part.open("wb")
        self._tar = tarfile.open(fileobj=self._stream, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        self._samples: list[tuple[int, int, str, str]] = []
        self._failed: list[dict[str, str]] = []
        self._several = 0

    def add(
        self, number: int, crop: bytes, suffix: str, identity: str, photo: str, about: Mapping[str, Any] | None = None
    ) -> None:
        """Adds a crop.

        Args:
            number: Of the sample, in no other shard of the set.
            crop: The encoded crop.
            suffix: What its encoding is called: `jpg`, `png`.
            identity: Who it shows.
            photo: What it was cut from.
            about: What else is to be kept with it.
        """
        start = self._tar.offset + _BLOCK
        self._member(f"{number:08d}.{suffix}", crop)
        said = {"identity": identity, "photo": photo, **(about or {})}
        self._member(f"{number:08d}.json", json.dumps(said).encode())
        self._samples.append((start, len(crop), identity, photo))

    def fail(self, row: dict[str, str]) -> None:
        """Notes a photo that gave no crop."""
        self._failed.append(row)

    def note_several(self) -> None:
        """Notes a photo that showed several faces."""
        self._several += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._stream.close()
            self._part.unlink(missing_ok=True)

    def _member(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))

    def _finish(self) -> None:
        """The index is put in place first: a shard that is there is done."""
        self._tar.close()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        index = ShardIndex(self._stream.tell(), self._samples, self._failed, self._several)
        write_durably(self.file.with_suffix(".json"), index.text())
        self._part.replace(self.file)


def write_durably(file: Path, text: str) -> None:
    """Writes to a temporary name, and renames once the bytes are on the disk."""
    part = file.with_name(f".{file.name}.part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)
