"""Many byte strings looked for at once: what a file holds of a person, in one pass whatever the number of photos.

`bytes.find` for each of them reads the file as often as there are needles, and a person with fifty photos gives some
thousands. Here every eighth byte of the file is the start of a word of four bytes that is looked up in a table (as
Wu and Manber do with the blocks of a shifting window, TR 94-17, 1994). A needle of 12 bytes or more covers such a word
wherever it stands: its first byte is at one of eight distances before a word, so eight words of each are in the table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

What = Literal["vector", "crop", "name"]

_STEP = 8
_WORD = 4
_BITS = 20
_GOLDEN = np.uint32(2654435761)  # 2^32 / golden ratio: Knuth's multiplicative hash
_FEW = 1000  # places in a block that are compared one by one


@dataclass(frozen=True, slots=True)
class Needle:
    """Something to look for.

    Attributes:
        what: What it is a piece of.
        data: Its bytes.
    """

    what: What
    data: bytes


class Search:
    """Looks for all of some needles.

    Args:
        needles: What to look for; none may be empty.
    """

    def __init__(self, needles: Iterable[Needle]) -> None:
        there = list(dict.fromkeys(needles))
        self.longest = max((len(needle.data) for needle in there), default=1)
        self._short = [needle for needle in there if len(needle.data) < _STEP + _WORD]
        self._at: dict[int, list[tuple[Needle, int]]] = defaultdict(list)
        for needle in there:
            if len(needle.data) >= _STEP + _WORD:
                for first in range(_STEP):
                    place = _telling(needle.data, first)
                    self._at[int.from_bytes(needle.data[place : place + _WORD], "little")].append((needle, place))
        self._words = np.array(sorted(self._at), np.uint32)
        self._table = np.zeros(1 << _BITS, np.bool_)
        self._table[_slot(self._words)] = True

    def within(self, data: bytes, known: Collection[What] = ()) -> set[What]:
        """What of the needles stands in some bytes.

        Args:
            data: Where to look.
            known: What need not be looked for any more.
        """
        found = {needle.what for needle in self._short if needle.what not in known and needle.data in data}
        if not len(self._words):
            return found
        words = np.frombuffer(data + bytes(-len(data) % _STEP), "<u4")[:: _STEP // _WORD]
        places = np.flatnonzero(self._table[_slot(words)])
        places = places[np.isin(words[places], self._words)]
        if len(places) > _FEW:  # a word that is everywhere: zeros, or part of a format
            implied = dict.fromkeys(n for word in np.unique(words[places]).tolist() for n, _ in self._at[word])
            return found | _each(implied, data, {*known, *found})
        for place in places.tolist():
            for needle, before in self._at[int(words[place])]:
                start = place * _STEP - before
                if needle.what not in found and start >= 0 and data.startswith(needle.data, start):
                    found.add(needle.what)
        return found - set(known)


def _telling(data: bytes, first: int) -> int:
    """Of the words at `first`, `first` + 8 ... of a needle the one with the most different bytes."""
    places = range(first, len(data) - _WORD + 1, _STEP)
    return max(places, key=lambda place: len(set(data[place : place + _WORD])))


def _slot(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    slots: npt.NDArray[np.uint32] = (words * _GOLDEN) >> np.uint32(32 - _BITS)
    return slots


def _each(needles: Iterable[Needle], data: bytes, known: Collection[What]) -> set[What]:
    found: set[What] = set()
    for needle in needles:
        if needle.what not in known and needle.what not in found and needle.data in data:
            found.add(needle.what)
    return found
