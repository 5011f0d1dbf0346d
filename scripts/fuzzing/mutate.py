"""Changes to a file without any package: for the quick trial that the tests make."""

from __future__ import annotations

import random

_ODD = (b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"../", b"<!", b'"', b"\n", "\u202e".encode(), b"[[")


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes with some changed, left out, repeated or put in."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 2, 8))):
        at = chance.randrange(len(made) + 1) if chance.random() < 0.5 else chance.randrange(min(len(made), 64) + 1)
        length = chance.choice((1, 4, 64))
        match chance.randrange(5):
            case 0 if at < len(made):
                made[at] = chance.randrange(256)
            case 1:
                made[at : at + length] = b""
            case 2:
                made[at:at] = made[at : at + length]
            case 3:
                odd = chance.choice(_ODD)
                made[at : at + len(odd)] = odd
            case _:
                del made[chance.randrange(len(made) + 1) :]
    return bytes(made)
