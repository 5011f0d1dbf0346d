"""Challenges that await their answer: a file each, readable by its owner alone, gone once it was answered."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pipeline.challenge import Challenge, ChallengePolicy, new_challenge
from pipeline.errors import ChallengeError

_NONCE = re.compile(r"[0-9a-f]{32}")
_AGAIN = "make a new one"


def ask(home: Path, policy: ChallengePolicy, now: datetime | None = None, *, blink: bool = False) -> Challenge:
    """Makes a challenge and keeps it; those that have ended are dropped.

    Args:
        home: The user's data folder.
        policy: How many steps, and for how long it can be answered.
        now: By default the clock's time.
        blink: Blinks may be asked for: eyes are looked at.
    """
    now = now or datetime.now(UTC)
    folder = home / "challenges"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in folder.glob("*.json"):
        with suppress(ChallengeError, FileNotFoundError):
            if _read(file).expires >= now:
                continue
        file.unlink(missing_ok=True)
    made = new_challenge(policy, now, blink=blink)
    document = {"steps": made.steps, "issued": made.issued.isoformat(), "expires": made.expires.isoformat()}
    descriptor = os.open(folder / f"{made.nonce}.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as written:
        json.dump(document, written)
    return made


def take(home: Path, nonce: str, now: datetime | None = None) -> Challenge:
    """Takes a challenge out, so that it is answered once.

    Raises:
        ChallengeError: There is none of this name, it was answered before, or it has ended.
    """
    now = now or datetime.now(UTC)
    if not _NONCE.fullmatch(nonce):
        raise ChallengeError(f"a challenge is named by 32 hexadecimal digits: {_AGAIN}")
    file = home / "challenges" / f"{nonce}.json"
    mine = file.with_suffix(f".{os.getpid()}")
    try:
        file.rename(mine)  # of two who answer at once, one finds it
    except FileNotFoundError:
        raise ChallengeError(f"challenge {nonce[:8]}…: is not known, was answered, or has ended: {_AGAIN}") from None
    try:
        found = _read(mine)
    finally:
        mine.unlink()
    if now > found.expires:
        raise ChallengeError(f"challenge {nonce[:8]}…: has ended at {found.expires:%H:%M:%S} UTC: {_AGAIN}")
    return found


def _read(file: Path) -> Challenge:
    """A challenge as it is kept. Raises ChallengeError: it cannot be read."""
    try:
        held = json.loads(file.read_text("utf-8"))
        issued, expires = datetime.fromisoformat(held["issued"]), datetime.fromisoformat(held["expires"])
        return Challenge(file.stem, tuple(held["steps"]), issued, expires)
    except (ValueError, KeyError, TypeError) as error:
        raise ChallengeError(f"challenge {file.stem[:8]}…: cannot be read: {_AGAIN}") from error
