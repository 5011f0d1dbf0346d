"""InsightFace's `.bin` sets: a pickle of (list of photos' bytes, list of bool), read without ever unpickling.

Unpickling runs whatever the file says. So the opcodes are read one by one (`pickletools.genops` only takes them apart)
by a machine that knows bytes, booleans, lists of them, and a pair of such lists. Anything else is refused when it is
met, before anything is made of it. Python 2 wrote the bytes as strings of its own; those are admitted too.
"""

from __future__ import annotations

import mmap
import pickletools
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.evaluation.records import Pair
from pipeline.errors import ConfigError

#: Largest file, and most photos, that are read.
BIN_BYTES = 2 << 30
BIN_PHOTOS = 1_000_000
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_PYTHON_2_BYTES = {"BINSTRING", "SHORT_BINSTRING"}
_PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
_GET = {"GET", "BINGET", "LONG_BINGET"}
_IGNORED = {"PROTO", "FRAME"}


@dataclass(frozen=True, slots=True, eq=False)
class BinSet:
    """A set of pairs of encoded photos.

    Attributes:
        photos: 2N photos, as encoded bytes.
        mated: (N,) whether photos 2i and 2i + 1 show one person.
    """

    photos: list[bytes]
    mated: list[bool]

    def pairs(self) -> list[Pair]:
        """The N pairs; photos are called by their number. The ten folds are stretches of the list, as is the custom."""
        return [Pair(f"{2 * i:06d}", f"{2 * i + 1:06d}", mated) for i, mated in enumerate(self.mated)]


def read_bin(file: Path) -> BinSet:
    """Reads a `.bin` set.

    Raises:
        ConfigError: It cannot be read, is too large, or holds anything but bytes and booleans in that form.
    """
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{file}: is not a file; give an InsightFace .bin set")
        if not 0 < status.st_size <= BIN_BYTES:
            raise ConfigError(f"{file}: has {status.st_size} bytes; a .bin set has 1 to {BIN_BYTES}")
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            value = _Machine().run(data)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError) as error:
        reason = str(error) if isinstance(error, ValueError) else "its parts do not fit together"
        raise ConfigError(f"{file}: is not an InsightFace .bin set ({reason}); nothing in it was run") from error
    return _checked(file, value)


def _checked(file: Path, value: Any) -> BinSet:
    whole = isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(part, list) for part in value)
    if not whole:
        raise ConfigError(f"{file}: is not an InsightFace .bin set (not two lists)")
    photos, mated = value
    if not all(isinstance(item, bytes) for item in photos) or not all(isinstance(item, bool) for item in mated):
        raise ConfigError(f"{file}: is not an InsightFace .bin set (not a list of bytes and a list of booleans)")
    if len(photos) != 2 * len(mated):
        raise ConfigError(f"{file}: has {len(photos)} photos for {len(mated)} pairs; it is damaged")
    return BinSet(photos, mated)


_MARK = object()


@dataclass(slots=True)
class _Machine:
    """A pickle machine that can make bytes, booleans, and lists and tuples, and nothing else."""

    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    items: int = 0
    lists: int = 0

    def run(self, data: Any) -> Any:
        """The value; ValueError, IndexError or KeyError where the opcodes are not admitted or make no sense."""
        for opcode, argument, position in pickletools.genops(data):
            if opcode.name == "STOP":
                break
            self._step(opcode.name, argument, position)
            if max(len(self.stack), len(self.memo), self.lists) > 3 * BIN_PHOTOS:  # up to 64 bytes each, for one
                raise ValueError(f"it has more than {BIN_PHOTOS} photos")
        (value,) = self.stack
        return value

    def _step(self, name: str, argument: Any, position: int | None) -> None:
        stack = self.stack
        if name in _BYTES:
            stack.append(argument)
        elif name in _PYTHON_2_BYTES:
            stack.append(argument.encode("latin-1"))
        elif name in ("NEWTRUE", "NEWFALSE"):
            stack.append(name == "NEWTRUE")
        elif name == "INT" and isinstance(argument, bool):  # how the oldest protocols write a boolean
            stack.append(argument)
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "EMPTY_LIST":
            self.lists += 1
            stack.append([])
        elif name in ("LIST", "TUPLE"):
            parts = self._since_mark()
            stack.append(tuple(parts) if name == "TUPLE" else self._extended([], parts))
        elif name == "TUPLE2":
            stack[-2:] = [(stack[-2], stack[-1])]
        elif name in ("APPEND", "APPENDS"):
            parts = [stack.pop()] if name == "APPEND" else self._since_mark()
            self._extended(stack[-1], parts)
        elif name in _PUT or name == "MEMOIZE":
            self.memo[len(self.memo) if name == "MEMOIZE" else int(argument)] = stack[-1]
        elif name in _GET:
            stack.append(self.memo[int(argument)])
        elif name not in _IGNORED:
            raise ValueError(f"the opcode {name} at byte {position} is not admitted")

    def _since_mark(self) -> list[Any]:
        parts = []
        while (top := self.stack.pop()) is not _MARK:
            parts.append(top)
        return parts[::-1]

    def _extended(self, target: Any, parts: list[Any]) -> list[Any]:
        """The list with the parts; two lists may stand in a list, as in place of the tuple."""
        self.items += len(parts)
        if self.items > 3 * BIN_PHOTOS:
            raise ValueError(f"it has more than {BIN_PHOTOS} photos")
        if not isinstance(target, list) or any(part is target or part is _MARK for part in parts):
            raise ValueError("a list is made of something that is none")
        target.extend(parts)
        return target
