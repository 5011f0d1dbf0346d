"""TFRecord files of `tf.Example` messages.

A file is a sequence of (tensorflow, `core/lib/io/record_writer.h`):

    uint64 length | uint32 crc(length) | data | uint32 crc(data)

`crc` is CRC-32C, rotated right by 15 bits plus 0xa282ead8. The package `tfrecord` knows the message; the frames are
read here, because its reader checks no crc, says no position, and gives no access to a record by its number.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import TrainingDataError
from pipeline.extra import need
from pipeline.types import Image
from training.data.crops import decode_crop, dense_labels, named_labels
from training.data.dataset import I64
from training.data.shard import read_at, truncated

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEAD = _LENGTH.size + _CRC.size
#: What the feature with the crop, and that with the identity, are usually called.
IMAGE_FEATURES = ("image/encoded", "image_raw", "image", "img", "jpeg", "jpg")
LABEL_FEATURES = ("image/class/label", "label", "image/source_id", "class", "cls")


class TFRecordDataset:
    """Crops of TFRecord files in the order of the files and records. The files are read through once, and checked.

    Args:
        files: The shards.
        image_feature: The feature with the encoded crop; None for one of IMAGE_FEATURES.
        label_feature: The feature with the identity, a whole number or a text; None for one of LABEL_FEATURES.

    Raises:
        TrainingDataError: A file cannot be read or is damaged; says which record, and at which byte.
        ExtraMissingError: The package `tfrecord` is not installed.
    """

    identities: Sequence[str]
    labels: I64

    def __init__(
        self, files: Sequence[Path], *, image_feature: str | None = None, label_feature: str | None = None
    ) -> None:
        need("train", "tfrecord", "crc32c")
        self._files = list(files)
        shards, offsets, lengths, found = [], [], [], []
        for number, file in enumerate(self._files):
            for offset, data in _records(file):
                where = f"{file}: record at byte {offset}"
                example = _example(data, where)
                image_feature = image_feature or _usual(example, IMAGE_FEATURES, "image_feature", where)
                label_feature = label_feature or _usual(example, LABEL_FEATURES, "label_feature", where)
                found.append(_identity(example, label_feature, where))
                shards.append(number)
                offsets.append(offset)
                lengths.append(len(data))
        if not found or image_feature is None:
            raise TrainingDataError(f"{self._files[0].parent}: its TFRecord files hold no record")
        self._image_feature = image_feature
        self._shards, self._offsets = np.array(shards, np.int32), np.array(offsets, np.int64)
        self._lengths = np.array(lengths, np.int64)
        self.identities, self.labels = _identities(found)

    def __len__(self) -> int:
        return len(self._shards)

    def name(self, index: int) -> str:
        """File and byte of the record."""
        return f"{self._files[self._shards[index]].name} at byte {self._offsets[index]}"

    def read(self, index: int) -> Image:
        """The crop of one sample: (112, 112, 3) uint8 RGB.

        Raises:
            TrainingDataError: The record is damaged, or is no crop; says where.
        """
        file, offset = self._files[self._shards[index]], int(self._offsets[index])
        return decode_crop(self.encoded(index), f"{file}: record at byte {offset}")

    def encoded(self, index: int) -> bytes:
        """The bytes of the encoded crop.

        Raises:
            TrainingDataError: The record is damaged.
        """
        file, offset, length = self._files[self._shards[index]], int(self._offsets[index]), int(self._lengths[index])
        where = f"{file}: record at byte {offset}"
        frame = read_at(file, offset, _HEAD + length + _CRC.size, "a record")
        if _LENGTH.unpack_from(frame)[0] != length:
            raise TrainingDataError(f"{where} has another length than when the run began: the file was changed")
        data = frame[_HEAD:-4]
        _check(data, frame[-4:], f"{where}: its data")
        return _bytes(_example(data, where), self._image_feature, where)


def _records(file: Path) -> Iterator[tuple[int, bytes]]:
    """First byte and data of each record, checked."""
    try:
        if file.stat().st_size == 0:
            return
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
            yield from _frames(file, view)
    except OSError as error:
        raise TrainingDataError(f"{file}: cannot be read ({error.strerror})") from error


def _frames(file: Path, view: mmap.mmap) -> Iterator[tuple[int, bytes]]:
    offset, size = 0, len(view)
    while offset < size:
        if offset + _HEAD > size:
            raise truncated(file, offset, _HEAD, "the head of a record", size)
        _check(view[offset : offset + 8], view[offset + 8 : offset + _HEAD], f"{file}: the length at byte {offset}")
        (length,) = _LENGTH.unpack_from(view, offset)
        end = offset + _HEAD + length
        if end + _CRC.size > size:
            raise truncated(file, offset, _HEAD + length + _CRC.size, "a record", size)
        data = view[offset + _HEAD : end]
        _check(data, view[end : end + _CRC.size], f"{file}: record at byte {offset}: its data")
        yield offset, data
        offset = end + _CRC.size


def _check(data: bytes, stored: bytes, what: str) -> None:
    import crc32c  # noqa: PLC0415 - of the train extra

    crc = crc32c.crc32c(data)
    if ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF != _CRC.unpack(stored)[0]:
        raise TrainingDataError(f"{what} does not have its checksum: the file is damaged, or is no TFRecord file")


# --- the message -----------------------------------------------------------------------------------------------------


def _example(data: bytes, where: str) -> Any:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415
    from tfrecord.example_pb2 import Example  # noqa: PLC0415 - likewise

    try:
        return Example.FromString(data)
    except DecodeError as error:
        raise TrainingDataError(f"{where} is no tf.Example") from error


def _usual(example: Any, names: Sequence[str], setting: str, where: str) -> str:
    there = example.features.feature
    for name in names:
        if name in there:
            return name
    raise TrainingDataError(f"{where} has the features {', '.join(sorted(there))}: name one with data.{setting}")


def _feature(example: Any, name: str, where: str) -> Any:
    if name not in example.features.feature:
        raise TrainingDataError(f"{where} has no feature {name!r}")
    return example.features.feature[name]


def _bytes(example: Any, name: str, where: str) -> bytes:
    values = _feature(example, name, where).bytes_list.value
    if len(values) != 1:
        raise TrainingDataError(f"{where}: its feature {name!r} is not one encoded crop")
    return bytes(values[0])


def _identity(example: Any, name: str, where: str) -> int | str:
    feature = _feature(example, name, where)
    if len(feature.int64_list.value) == 1:
        return int(feature.int64_list.value[0])
    if len(feature.bytes_list.value) == 1:
        return bytes(feature.bytes_list.value[0]).decode("utf-8", "backslashreplace")
    raise TrainingDataError(f"{where}: its feature {name!r} is neither one whole number nor one text")


def _identities(found: Sequence[int | str]) -> tuple[Sequence[str], I64]:
    numbers = [value for value in found if isinstance(value, int)]
    if len(numbers) == len(found):
        identities, labels = dense_labels(np.array(numbers, np.int64))
        return identities, labels
    return named_labels([str(value) for value in found])
