"""Which number each cluster has, given those of the last time. Pure rules; `registry` keeps what they say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import UnknownClusterError
from pipeline.images import one_line

_LABEL = re.compile(r"[Uu]-?0*([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Identities:
    """The numbers of clusters.

    Attributes:
        numbers: Of the cluster of each face.
        aliases: Numbers that are no cluster's any more, and the older one whose cluster they went into.
    """

    numbers: dict[str, int]
    aliases: dict[int, int]


def label(number: int) -> str:
    """What a cluster is called.

    >>> label(7)
    'U-0007'
    """
    return f"U-{number:04d}"


def number_of(text: str) -> int:
    """The number of a label; `u7` and `U-0007` are the same.

    Raises:
        UnknownClusterError: It is no label.
    """
    found = _LABEL.fullmatch(text.strip())
    if not found:
        raise UnknownClusterError(
            f"{one_line(text)!r} is no unknown person: they are called U-0001 and so on; `knownface unknown list`"
        )
    return int(found[1])


def identify(blocks: Sequence[Sequence[str]], before: Mapping[str, int], first_free: int) -> Identities:
    """Numbers clusters so that those that people have seen keep theirs.

    A number goes with most of its faces (of equally many, with the smallest face_id). Where several come together the
    oldest, which is the smallest, stays, and the others become its aliases. What nobody claims gets a new number.

    Args:
        blocks: The clusters, in an order that does not depend on that of the faces.
        before: The number of every face that had one, those that are not among the blocks now included.
        first_free: No number from here on was ever given.
    """
    at = {face: place for place, block in enumerate(blocks) for face in block}
    parts: dict[int, dict[int, list[str]]] = {}
    for face, number in before.items():
        if face in at:
            parts.setdefault(number, {}).setdefault(at[face], []).append(face)
    claims: dict[int, list[int]] = {}
    for number, places in parts.items():
        largest = min(places, key=lambda place: (-len(places[place]), min(places[place])))
        claims.setdefault(largest, []).append(number)
    numbers: dict[str, int] = {}
    aliases: dict[int, int] = {}
    for place, block in enumerate(blocks):
        claimed = sorted(claims.get(place, ()))
        if not claimed:
            claimed = [first_free]
            first_free += 1
        numbers.update(dict.fromkeys(block, claimed[0]))
        aliases.update(dict.fromkeys(claimed[1:], claimed[0]))
    return Identities(numbers, aliases)
