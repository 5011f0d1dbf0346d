"""InsightFace's RecordIO: `train.rec` with `train.idx`, `train.lst` and `property`, read without mxnet.

A file is a sequence of parts, each padded to four bytes (dmlc-core, `recordio.h`):

    uint32 0xced7230a | uint32 flag << 29 | length | data        flag: 0 whole, 1 first, 2 middle, 3 last

Where the magic number itself stands in the data at a multiple of four bytes, the data is cut there and the number left
out. A record begins with a header (mxnet, `recordio.py`, `IRHeader`), followed by the encoded crop:

    uint32 n | float32 label | uint64 id | uint64 id2 | n float32 labels, which take the place of `label`

InsightFace's own packer writes a record 0 without a crop: the crops are 1 .. a-1, and the records a .. b-1 hold the
range of crops of an identity each. Newer sets, made by mxnet's `im2rec`, have crops only.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import TrainingDataError
from pipeline.types import Image
from training.data.crops import decode_crop, dense_labels
from training.data.dataset import I64, SIDE
from training.data.shard import read_at, read_text_of, size_of, truncated, whole_number

MAGIC = 0xCED7230A
_PART = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
#: Largest float32 below which every whole number has a float32 of its own.
_EXACT = 1 << 24


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        labels: As they stand in the header; at least one.
        has_list: Whether they stand in a list behind the header.
        data: What follows it: an encoded crop, or nothing.
    """

    labels: tuple[float, ...]
    has_list: bool
    data: bytes


class RecordDataset:
    """Crops of a `.rec` file in the order of their keys; identities are the labels that occur, ascending.

    Args:
        file: The `.rec` file. Beside it, of the same name: `.idx` (key and byte of each record; without it the file is
            read through once) and `.lst` (names, for messages). `property` in the same folder is held against it.

    Raises:
        TrainingDataError: A file cannot be read or is damaged; says where.
    """

    identities: Sequence[str]
    labels: I64

    def __init__(self, file: Path) -> None:
        self.file = file
        keys, offsets = _index(file)
        try:
            with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                rows, numbers = _labels(file, data, keys, offsets)
        except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
            raise TrainingDataError(f"{file}: cannot be read ({getattr(error, 'strerror', error)})") from error
        self._keys, self._offsets = keys[rows], offsets[rows]
        self.identities, self.labels = dense_labels(numbers)
        _hold_against_property(file.parent / "property", numbers)
        self._names: dict[int, str] | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def name(self, index: int) -> str:
        """The record, and what the `.lst` file calls it."""
        key = int(self._keys[index])
        if self._names is None:
            self._names = _names(self.file.with_suffix(".lst"))
        name = f" ({self._names[key]})" if key in self._names else ""
        return f"{self.file.name} record {key}{name}"

    def read(self, index: int) -> Image:
        """The crop of one sample: (112, 112, 3) uint8 RGB.

        Raises:
            TrainingDataError: The record is damaged, or is no crop; says where.
        """
        return decode_crop(self.encoded(index), self._place(index))

    def encoded(self, index: int) -> bytes:
        """The bytes of the encoded crop.

        Raises:
            TrainingDataError: The record is damaged.
        """
        offset, place = int(self._offsets[index]), self._place(index)
        parts: list[bytes] = []
        position, flag = offset, _FIRST
        while flag in (_FIRST, _MIDDLE):
            flag, length = _part(read_at(self.file, position, _PART.size, "a record"), place, first=not parts)
            parts.append(read_at(self.file, position + _PART.size, length, "a record"))
            position += _PART.size + _padded(length)
        return _record(_MAGIC_BYTES.join(parts), place).data

    def _place(self, index: int) -> str:
        return f"{self.file}: record {int(self._keys[index])} at byte {int(self._offsets[index])}"


_MAGIC_BYTES = struct.pack("<I", MAGIC)


def _padded(length: int) -> int:
    return (length + 3) & ~3


def _part(header: bytes, place: str, *, first: bool) -> tuple[int, int]:
    """Flag and length of a part."""
    magic, word = _PART.unpack(header)
    flag, length = word >> 29, word & ((1 << 29) - 1)
    if magic != MAGIC:
        raise TrainingDataError(f"{place} does not begin with the magic number of RecordIO: the file is damaged")
    if flag not in ((_WHOLE, _FIRST) if first else (_MIDDLE, _LAST)):
        raise TrainingDataError(f"{place} has a part out of order (flag {flag}): the file is damaged")
    return flag, length


def _record(data: bytes, place: str) -> Record:
    if len(data) < _HEADER.size:
        raise TrainingDataError(f"{place} is shorter than its header: the file is damaged")
    count, label, _, _ = _HEADER.unpack_from(data)
    start = _HEADER.size + 4 * count
    if len(data) < start:
        raise TrainingDataError(f"{place} is shorter than its {count} labels: the file is damaged")
    labels = struct.unpack_from(f"<{count}f", data, _HEADER.size) if count else (label,)
    return Record(labels, count > 0, data[start:])


def _walk(file: Path, data: mmap.mmap, offset: int, place: str) -> tuple[bytes, int]:
    """The whole record at a byte, and the byte after it."""
    parts: list[bytes] = []
    flag = _FIRST
    while flag in (_FIRST, _MIDDLE):
        if offset + _PART.size > len(data):
            raise truncated(file, offset, _PART.size, "the head of a record", len(data))
        flag, length = _part(data[offset : offset + _PART.size], place, first=not parts)
        start = offset + _PART.size
        if start + length > len(data):
            raise truncated(file, offset, length, "a record", len(data))
        parts.append(data[start : start + length])
        offset = start + _padded(length)
    return _MAGIC_BYTES.join(parts), offset


# --- the index -------------------------------------------------------------------------------------------------------


def _index(file: Path) -> tuple[I64, I64]:
    """Key and first byte of each record, by ascending key."""
    index = file.with_suffix(".idx")
    size = size_of(file)
    if not index.exists():
        found = np.fromiter(_offsets(file), np.int64)
        return np.arange(len(found)), found
    lines = read_text_of(index).splitlines()
    table = np.empty((len(lines), 2), np.int64)
    for number, line in enumerate(lines):
        try:
            key, offset = (int(word) for word in line.split())
            table[number] = key, offset
        except (ValueError, OverflowError) as error:
            raise TrainingDataError(f"{index}: line {number + 1} is not a key and a byte") from error
    table = table[np.argsort(table[:, 0], kind="stable")]
    beyond = np.flatnonzero((table[:, 1] < 0) | (table[:, 1] >= size))
    if len(beyond):
        key, offset = table[beyond[0]]
        raise TrainingDataError(
            f"{file}: record {key} should be at byte {offset}, but the file ends at byte {size}: it is truncated"
        )
    if len(np.unique(table[:, 0])) < len(table):
        raise TrainingDataError(f"{index}: a key stands in it twice")
    return table[:, 0].copy(), table[:, 1].copy()


def _offsets(file: Path) -> Iterator[int]:
    """First byte of each record, in the order of the file."""
    try:
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            offset = 0
            while offset < len(data):
                yield offset
                _, offset = _walk(file, data, offset, f"{file}: the record at byte {offset}")
    except (OSError, ValueError) as error:
        raise TrainingDataError(f"{file}: cannot be read ({getattr(error, 'strerror', error)})") from error


def _labels(file: Path, data: mmap.mmap, keys: I64, offsets: I64) -> tuple[I64, I64]:
    """Rows of the crops, and the number of each one's identity."""
    records = range(len(keys))
    if len(keys) and keys[0] == 0:
        meta = _record_at(file, data, 0, int(offsets[0]))
        if meta.has_list and not meta.data:  # InsightFace's own packer
            if not 1 <= meta.labels[0] < 1 << 63:
                raise TrainingDataError(f"{file}: record 0 says that the crops end at {meta.labels[0]:g}: damaged")
            stop = int(np.searchsorted(keys, int(meta.labels[0])))
            records = range(1, stop)
    numbers = np.empty(len(records), np.int64)
    for place, row in enumerate(records):
        label = _label_at(file, data, int(keys[row]), int(offsets[row]))
        if not (0 <= label < _EXACT and label == int(label)):
            where = f"{file}: record {keys[row]} at byte {offsets[row]}"
            raise TrainingDataError(f"{where} has the label {label:g}: a whole number below {_EXACT} was expected")
        numbers[place] = int(label)
    if not len(numbers):
        raise TrainingDataError(f"{file}: holds no crop")
    return np.array(records, np.int64), numbers


def _label_at(file: Path, data: mmap.mmap, key: int, offset: int) -> float:
    """The first label of a record; of one in one part only the header is read."""
    if offset + _PART.size + _HEADER.size + 4 <= len(data):
        magic, word = _PART.unpack_from(data, offset)
        length = word & ((1 << 29) - 1)
        whole = magic == MAGIC and word >> 29 == _WHOLE and offset + _PART.size + length <= len(data)
        if whole and length >= _HEADER.size + 4:
            count, label, _, _ = _HEADER.unpack_from(data, offset + _PART.size)
            if count == 0:
                return float(label)
            return float(struct.unpack_from("<f", data, offset + _PART.size + _HEADER.size)[0])
    return _record_at(file, data, key, offset).labels[0]


def _record_at(file: Path, data: mmap.mmap, key: int, offset: int) -> Record:
    place = f"{file}: record {key} at byte {offset}"
    return _record(_walk(file, data, offset, place)[0], place)


# --- what stands beside it -------------------------------------------------------------------------------------------


def _hold_against_property(file: Path, numbers: I64) -> None:
    """`classes,height,width`, as InsightFace writes it: another size, or labels beyond it, are errors."""
    if not file.is_file():
        return
    words = [whole_number(word) for word in read_text_of(file).split(",")]
    if len(words) != 3 or None in words:
        raise TrainingDataError(f"{file}: should hold classes,height,width")
    classes, height, width = (word or 0 for word in words)
    if (height, width) != (SIDE, SIDE):
        raise TrainingDataError(f"{file}: its crops are {width}x{height} pixels; training takes {SIDE}x{SIDE}")
    if numbers.max() >= classes:
        raise TrainingDataError(f"{file}: promises {classes} classes, but there is a label {numbers.max()}")


def _names(file: Path) -> dict[int, str]:
    """Names by key, of a list as `im2rec` takes it: key, labels, path, by tabs. Other lists give none."""
    if not file.is_file():
        return {}
    rows = (line.split("\t") for line in read_text_of(file).splitlines())
    return {key: row[-1] for row in rows if len(row) >= 3 and (key := whole_number(row[0])) is not None}
