"""API keys: what a program shows instead of a name and a password. Shown once, kept as a hash.

A key is 256 random bits, so a plain SHA-256 of it is enough: a slow hash (Argon2id, as the passwords have) makes the
guessing of something guessable expensive, and here there is nothing to guess; it would only cost every request a tenth
of a second. The id in front of the secret says which hash to compare with, in constant time.
"""

from __future__ import annotations

import hmac
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from app.access import database
from app.access.roles import Actor, Role
from app.access.users import normalise
from pipeline.errors import KeyExistsError, KeyNotFoundError, KeyRefusedError

_PREFIX = "kf"
_SECRET_BYTES = 32  # 256 bits
_ID_BYTES = 6
_LONGEST = 128  # characters of a key that are looked at


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, without its secret.

    Attributes:
        id: What logs call it; it stands in front of the secret.
        name: As it stands in the audit.
        role: What it may do.
        created: When it was made (UTC).
        expires: When it ends (UTC); None for never.
        ended: Whether that is over.
    """

    id: str
    name: str
    role: Role
    created: datetime
    expires: datetime | None
    ended: bool


class Keys(database.Part):
    """The API keys of one data folder; where there are any, ended ones too, nobody gets in without one."""

    _table = "keys"

    def all(self) -> list[Key]:
        """Every key, by name."""
        return [
            self._key(*row) for row in self._rows("select id, name, role, created, expires from keys order by name")
        ]

    def add(self, name: str, role: Role, expires: datetime | None = None) -> tuple[Key, str]:
        """Makes a key; returns it and, this once, what a program has to show.

        Raises:
            UserNameError: The name cannot be used.
            KeyExistsError: A key or a user has this name already: the audit tells them apart by it.
            KeyRefusedError: It would have ended already.
        """
        name, now = normalise(name), self._now()
        if expires is not None and expires.timestamp() <= now:
            raise KeyRefusedError(f"{name}: the key would have ended already: choose a later date")
        made = secrets.token_hex(_ID_BYTES)
        shown = f"{_PREFIX}_{made}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        until = None if expires is None else expires.timestamp()
        with database.changing(self.file) as db:
            db.execute("begin immediate")
            if db.execute("select 1 from users where name = ?", (name,)).fetchone():
                raise KeyExistsError(f"{name}: a user is called so: give the key another name")
            try:
                db.execute("insert into keys values (?, ?, ?, ?, ?, ?)", (made, name, role, _hash(shown), now, until))
            except sqlite3.IntegrityError as error:
                raise KeyExistsError(f"{name}: there is such a key already; `knownface users key list`") from error
        return self._key(made, name, role, now, until), shown

    def remove(self, name: str) -> None:
        """Removes a key, at once.

        Raises:
            KeyNotFoundError: There is none.
        """
        name = normalise(name)
        with database.changing(self.file) as db:
            if not db.execute("delete from keys where name = ?", (name,)).rowcount:
                raise KeyNotFoundError(f"{name}: there is no such key; `knownface users key list` shows all")

    def actor(self, shown: str) -> tuple[Key, Actor]:
        """Who shows this key.

        Raises:
            KeyRefusedError: It is none, was removed, or has ended.
        """
        said = "this API key is not known here, or has ended"
        parts = shown[:_LONGEST].split("_", 2)
        query = "select id, name, role, created, expires, hash from keys where id = ?"
        found = next(iter(self._rows(query, parts[1])), None) if len(parts) == 3 else None
        if found is None:
            raise KeyRefusedError(said)
        key = self._key(*found[:5])
        if not hmac.compare_digest(found[5], _hash(shown)) or key.ended:
            raise KeyRefusedError(said, key=key.name)
        return key, Actor(key.name, key.role)

    def _key(self, made: str, name: str, role: int, created: float, expires: float | None) -> Key:
        until = None if expires is None else datetime.fromtimestamp(expires, UTC)
        ended = expires is not None and expires <= self._now()
        return Key(made, name, Role(role), datetime.fromtimestamp(created, UTC), until, ended)


def _hash(shown: str) -> bytes:
    return sha256(shown.encode("utf-8", "surrogatepass")).digest()
