"""Names of subjects: any printable Unicode, compared exactly, never used as a path.

A name is stripped and brought to Unicode NFC, so that `é` typed as one character or as two is the same name. Case and
width are kept and matter. Next to it stands a folded form (NFKC, case-folded) that only searching and ordering use.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

from pipeline.errors import SubjectNameError

MAX_LENGTH = 200
_REFUSED = {"Cc": "control", "Cf": "format", "Cs": "surrogate", "Co": "private-use", "Cn": "unassigned"}
_REFUSED |= {"Zl": "line separator", "Zp": "paragraph separator"}


def shown(text: str, limit: int = 80) -> str:
    r"""The text in quotes on one line, with everything unprintable escaped, for messages.

    >>> shown("a\nb")
    "'a\\nb'"
    """
    safe = repr(text)
    return safe if len(safe) <= limit else safe[: limit - 2] + "…" + safe[-1]


def normalise(name: str) -> str:
    r"""The name as it is stored: stripped, Unicode NFC.

    Raises:
        SubjectNameError: Nothing is left, it is longer than 200 characters, or a character cannot be printed.

    >>> normalise("  Zoe\u0308 ")
    'Zoë'
    """
    result = unicodedata.normalize("NFC", name).strip()
    if not result:
        raise SubjectNameError("the subject's name is empty: give at least one printable character")
    for character in result:
        if kind := _REFUSED.get(unicodedata.category(character)):
            raise SubjectNameError(
                f"the subject's name {shown(result)} has a {kind} character (U+{ord(character):04X}): "
                "only printable characters are allowed"
            )
    if len(result) > MAX_LENGTH:
        raise SubjectNameError(f"the subject's name {shown(result)} has {len(result)} characters: {MAX_LENGTH} at most")
    return result


def folded(name: str) -> str:
    """The form used for searching and ordering: NFKC, case-folded."""
    return unicodedata.normalize("NFKC", name).casefold()


def closest(name: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` of the candidates that look most like the name, best first."""
    by_fold: dict[str, str] = {}
    for candidate in candidates:
        by_fold.setdefault(folded(candidate), candidate)
    return [by_fold[match] for match in difflib.get_close_matches(folded(name), by_fold, n=count, cutoff=0.5)]
