"""WebDataset shards: tar files in which neighbours of one name, but for what follows its first dot, are a sample.

`000017.jpg` is a crop, `000017.cls` the number of its identity, `000017.json` may hold `{"identity": "name"}` or
`{"label": 17}` instead. The files are read as what they are, tar files: the package `webdataset` would decode members
by their suffix, pickles among them, and streams where training wants any sample at any time. Nothing but these three
kinds of members is looked at.
"""

from __future__ import annotations

import json
import re
import tarfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import TrainingDataError
from pipeline.types import Image
from training.data.crops import decode_crop, dense_labels, named_labels
from training.data.dataset import I64
from training.data.shard import read_at, size_of
from training.data.shard_index import ShardIndex

#: What a crop's member may be called.
IMAGES = ("jpg", "jpeg", "png", "webp")
_LABELS = ("cls", "json")
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)", re.DOTALL)
_BLOCK = 512
_MAX_LABEL = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """A crop in a shard: first byte, length, and its identity by number or name."""

    offset: int
    length: int
    identity: int | str


class TarDataset:
    """Crops of tar shards in the order of the files and of the members in them.

    Shards of `data build` come with an index; others are gone through once.

    Args:
        files: The shards.

    Raises:
        TrainingDataError: A shard cannot be read or is damaged; says where.
    """

    identities: Sequence[str]
    labels: I64

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = list(files)
        shards, offsets, lengths, found = [], [], [], []
        for number, file in enumerate(self._files):
            for sample in _samples(file):
                shards.append(number)
                offsets.append(sample.offset)
                lengths.append(sample.length)
                found.append(sample.identity)
        if not found:
            raise TrainingDataError(f"{self._files[0].parent}: its tar files hold no crop with an identity")
        self._shards = np.array(shards, np.int32)
        self._offsets, self._lengths = np.array(offsets, np.int64), np.array(lengths, np.int64)
        numbers = [value for value in found if isinstance(value, int)]
        if len(numbers) == len(found):
            self.identities, self.labels = dense_labels(np.array(numbers, np.int64))
        else:
            self.identities, self.labels = named_labels([str(value) for value in found])

    def __len__(self) -> int:
        return len(self._shards)

    def name(self, index: int) -> str:
        """The photo it was made of, where an index says so; else shard and byte."""
        file, offset = self._files[self._shards[index]], int(self._offsets[index])
        kept = ShardIndex.beside(file)
        if kept is not None:
            return kept.samples[bisect_left(kept.samples, offset, key=lambda sample: sample[0])][3]
        return f"{file.name} at byte {offset}"

    def encoded(self, index: int) -> bytes:
        """The bytes of the encoded crop.

        Raises:
            TrainingDataError: The shard cannot be read, or ends before.
        """
        file = self._files[self._shards[index]]
        return read_at(file, int(self._offsets[index]), int(self._lengths[index]), "a crop")

    def read(self, index: int) -> Image:
        """The crop of one sample: (112, 112, 3) uint8 RGB.

        Raises:
            TrainingDataError: It cannot be read or decoded; says where.
        """
        file = self._files[self._shards[index]]
        return decode_crop(self.encoded(index), f"{file}: the crop at byte {self._offsets[index]}")


def _samples(file: Path) -> Iterator[Sample]:
    kept = ShardIndex.beside(file)
    if kept is None:
        yield from _scanned(file)
        return
    size = size_of(file)
    if size != kept.size:
        raise TrainingDataError(
            f"{file}: has {size} bytes, but its index says {kept.size}: it is truncated or was changed; copy it again"
        )
    for offset, length, identity, _ in kept.samples:
        yield Sample(offset, length, identity)


def _scanned(file: Path) -> Iterator[Sample]:
    """The samples of a shard without an index."""
    key, crop, identity = None, None, None
    for member, data in _members(file):
        fits = _NAME.fullmatch(member.name)
        if fits is None:
            continue
        if fits[1] != key:
            if crop is not None and identity is not None:
                yield Sample(crop.offset_data, crop.size, identity)
            key, crop, identity = fits[1], None, None
        suffix = fits[2].lower()
        if suffix in IMAGES:
            crop = member
        elif suffix in _LABELS:
            said = _identity(suffix, data, f"{file}: {member.name} at byte {member.offset_data}")
            identity = said if said is not None else identity
    if crop is not None and identity is not None:
        yield Sample(crop.offset_data, crop.size, identity)


def _members(file: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Files in a shard, in their order, with the bytes of those that hold labels."""
    size = size_of(file)
    try:
        with file.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            while (member := tar.next()) is not None:
                if not 0 <= member.size <= size - member.offset_data:
                    raise TrainingDataError(
                        f"{file}: {member.name} at byte {member.offset_data} has {member.size} bytes, but the file "
                        f"ends at byte {size}: it is truncated; copy it again"
                    )
                if member.isreg():
                    small = member.name.rpartition(".")[2].lower() in _LABELS and member.size <= _MAX_LABEL
                    yield member, read_at(file, member.offset_data, member.size, member.name) if small else b""
            end = tar.offset
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:  # of what its headers say
        raise TrainingDataError(f"{file}: is no tar file, or is damaged ({error})") from error
    except OSError as error:
        raise TrainingDataError(f"{file}: cannot be read ({error.strerror})") from error
    if end + _BLOCK > size or any(read_at(file, end, _BLOCK, "the end of the archive")):
        raise TrainingDataError(
            f"{file}: at byte {end} stands neither a member nor the end of the archive: it is truncated or damaged"
        )


def _identity(suffix: str, data: bytes, where: str) -> int | str | None:
    """What a label says; None where a JSON object says nothing of an identity."""
    try:
        if suffix == "cls":
            return _in_64_bits(int(data), where)
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TrainingDataError(f"{where}: is no {'whole number' if suffix == 'cls' else 'JSON'}") from error
    for name in ("identity", "label"):
        value = document.get(name) if isinstance(document, dict) else None
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return _in_64_bits(value, where)
    return None


def _in_64_bits(label: int, where: str) -> int:
    if not -(1 << 63) <= label < 1 << 63:
        raise TrainingDataError(f"{where}: its label does not fit into 64 bits")
    return label
