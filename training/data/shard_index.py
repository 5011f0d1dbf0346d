"""The index beside a shard that `data build` made: `shard-000000.json` beside `shard-000000.tar`."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import TrainingDataError
from training.data.shard import read_text_of

_FORMAT = "knownface-shard-1"
#: What a build is made of, in the folder of its shards.
PLAN = "build.json"


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """What a shard holds.

    Attributes:
        size: Bytes of the shard.
        samples: First byte and length of a crop, its identity, and the photo it was cut from.
        failed: `{"photo", "error", "message"}` of each photo that gave none.
        several: Photos that showed several faces, of which the most prominent was taken.
    """

    size: int
    samples: list[tuple[int, int, str, str]]
    failed: list[dict[str, str]]
    several: int = 0

    @classmethod
    def beside(cls, shard: Path) -> ShardIndex | None:
        """The index of a shard; None where there is none of ours.

        Raises:
            TrainingDataError: It is damaged.
        """
        file = shard.with_suffix(".json")
        try:
            stamp = file.stat().st_mtime_ns
        except OSError:
            return None
        return _read(file, stamp)

    def text(self) -> str:
        """As it stands in the file."""
        return json.dumps({"format": _FORMAT, **asdict(self)}) + "\n"


@functools.lru_cache(maxsize=8)
def _read(file: Path, _stamp: int) -> ShardIndex | None:
    try:
        document = json.loads(read_text_of(file))
    except (ValueError, RecursionError) as error:
        raise TrainingDataError(f"{file}: is no JSON: it is damaged; build the set again") from error
    if not isinstance(document, dict) or document.pop("format", None) != _FORMAT:
        return None
    try:
        size = document["size"]
        samples = [(_place(o, n, size), n, str(who), str(photo)) for o, n, who, photo in document.pop("samples")]
        return ShardIndex(samples=samples, **document)
    except (TypeError, ValueError, KeyError) as error:
        raise TrainingDataError(f"{file}: is no index of a shard: it is damaged; build the set again") from error


def _place(offset: object, length: object, size: object) -> int:
    """The first byte of a crop that lies in the shard."""
    if type(offset) is not int or type(length) is not int or type(size) is not int:
        raise TypeError
    if not 0 <= offset <= offset + length <= size:
        raise ValueError
    return offset


def check_finished(folder: Path, shards: int) -> None:
    """Raises where `data build` has not come to its end in a folder.

    Raises:
        TrainingDataError: Shards are missing.
    """
    file = folder / PLAN
    if not file.is_file():
        return
    try:
        planned = json.loads(read_text_of(file))["shards"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TrainingDataError(f"{file}: is no plan of a build: it is damaged; build the set again") from error
    if planned != shards:
        raise TrainingDataError(
            f"{folder}: has {shards} of {planned} shards; run the same `knownface data build` again: it goes on"
        )
