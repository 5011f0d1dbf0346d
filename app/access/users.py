"""Local users: `<home>/access.sqlite3`, readable by its owner only. Nothing in it gives a password away."""

from __future__ import annotations

import hashlib
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from app.access import database, passwords
from app.access.oidc import PREFIX
from app.access.roles import Actor, Role
from pipeline.errors import LoginRefusedError, UserExistsError, UserNameError, UserNotFoundError

#: Wrong passwords in a row before a name is locked, and for how many seconds: doubled by each further one.
ATTEMPTS, LOCK_S, LONGEST_LOCK_S = 5, 60.0, 3600.0
_FORGET_S = 24 * 3600.0  # failures are forgotten after a day
_MOST_FAILURES = 10_000  # names whose failures are kept: made-up ones do not fill the disk
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class User:
    """A local user.

    Attributes:
        name: As it was normalised.
        role: What the user may do.
        created: When the user was added.
        locked_s: Seconds that logging in is still refused; 0 where it is not.
    """

    name: str
    role: Role
    created: datetime
    locked_s: float


class Users(database.Part):
    """The users of one data folder; where there are any, one has to log in."""

    _table = "users"

    def all(self) -> list[User]:
        """Everybody, by name."""
        rows = self._rows(
            "select users.name, role, created, coalesce(count, 0), coalesce(at, 0) "
            "from users left join failures using (name) order by users.name"
        )
        return [
            User(name, Role(role), datetime.fromisoformat(created), self._locked_s(count, at))
            for name, role, created, count, at in rows
        ]

    def find(self, name: str) -> str:
        """The name of a user as it is kept. Errors: as `remove`."""
        with self._changing(name) as (_, found):
            return found

    def role_of(self, name: str, mark: str | None = None) -> Role | None:
        """The role of a user as it is now; None where there is no such user any more.

        Args:
            name: The name as it is kept.
            mark: As `mark_of` gave it: None too where the user has another password since, or is another one.
        """
        row = self._row(name)
        return None if row is None or mark not in (None, _mark(*row[1:])) else Role(row[0])

    def mark_of(self, name: str) -> str:
        """What changes with the password of a user, and with the user; it gives neither away."""
        row = self._row(name)
        return "" if row is None else _mark(*row[1:])

    def _row(self, name: str) -> tuple[int, str, str] | None:
        return next(iter(self._rows("select role, hash, created from users where name = ?", name)), None)

    def add(self, name: str, role: Role, password: str) -> str:
        """Adds a user; returns the name as it is kept.

        Raises:
            UserNameError, UserExistsError, PasswordRefusedError: It cannot be done.
        """
        name = normalise(name)
        made = passwords.hashed(passwords.check(password, name))
        with database.changing(self.file) as db:
            if db.execute("select 1 from keys where name = ?", (name,)).fetchone():
                raise UserExistsError(f"{name}: an API key is called so: the audit tells them apart by their names")
            try:
                db.execute("insert into users values (?, ?, ?, ?)", (name, role, made, datetime.now(UTC).isoformat()))
            except sqlite3.IntegrityError as error:
                raise UserExistsError(
                    f"{name}: there is such a user already; `knownface users passwd` changes"
                ) from error
            db.execute("delete from failures where name = ?", (name,))
        return name

    def remove(self, name: str) -> None:
        """Removes a user, whose sessions end with it.

        Raises:
            UserNotFoundError: There is none.
        """
        with self._changing(name) as (db, found):
            db.execute("delete from users where name = ?", (found,))
            db.execute("delete from failures where name = ?", (found,))

    def set_role(self, name: str, role: Role) -> None:
        """Gives a user another role, at once. Errors: as `remove`."""
        with self._changing(name) as (db, found):
            db.execute("update users set role = ? where name = ?", (role, found))

    def set_password(self, name: str, password: str) -> None:
        """Gives a user another password, and unlocks the name.

        Raises:
            UserNotFoundError, PasswordRefusedError: It cannot be done.
        """
        made = passwords.hashed(passwords.check(password, normalise(name)))
        with self._changing(name) as (db, found):
            db.execute("update users set hash = ? where name = ?", (made, found))
            db.execute("delete from failures where name = ?", (found,))

    def log_in(self, name: str, password: str) -> Actor:
        """Who has this name and password. A name that nobody has is treated, and timed, as one with another password.

        Raises:
            LoginRefusedError: Nobody, or the name is locked after repeated failures.
        """
        try:
            name = normalise(name)
        except UserNameError:
            name = ""
        with database.changing(self.file) as db:
            row = db.execute("select hash, role from users where name = ?", (name,)).fetchone()
            user = name if row else ""
            count = self._attempt(db, name, user)
        stored: str | None = row[0] if row else None
        if not passwords.fits(stored, password) or stored is None:
            raise LoginRefusedError("the name or the password is wrong", user=user, lock_s=self._lock_of(count))
        with database.changing(self.file) as db:
            db.execute("delete from failures where name = ?", (name,))
            if passwords.is_weak(stored):
                db.execute("update users set hash = ? where name = ?", (passwords.hashed(password), name))
        return Actor(name, Role(row[1]))

    # --- inside -----------------------------------------------------------------------------------------------

    def _attempt(self, db: sqlite3.Connection, name: str, user: str) -> int:
        """Counts an attempt as failed before it is looked at: many at once get no more guesses than one by one.

        Returns:
            How many there were in a row, this one too.
        """
        now = self._now()
        db.execute("begin immediate")
        db.execute("delete from failures where at < ?", (now - _FORGET_S,))
        row = db.execute("select count, at from failures where name = ?", (name,)).fetchone()
        if row and (left := self._locked_s(*row)):
            minutes = max(1, round(left / 60))
            raise LoginRefusedError(
                f"too many attempts with a wrong password: try again in {minutes} minute{'s' if minutes > 1 else ''}",
                wait_s=left,
                user=user,
            )
        db.execute(
            "insert into failures values (?, 1, ?) "
            "on conflict (name) do update set count = count + 1, at = excluded.at",
            (name, now),
        )
        db.execute(
            "delete from failures where name in (select name from failures where name not in (select name from users) "
            "order by at desc limit -1 offset ?)",
            (_MOST_FAILURES,),
        )
        return 1 + (row[0] if row else 0)

    def _locked_s(self, count: int, at: float) -> float:
        return max(0.0, at + self._lock_of(count) - self._now()) if count >= ATTEMPTS else 0.0

    @staticmethod
    def _lock_of(count: int) -> float:
        """Seconds for which a name is locked by so many failures in a row."""
        return 0.0 if count < ATTEMPTS else min(LOCK_S * 2 ** min(count - ATTEMPTS, 16), LONGEST_LOCK_S)

    @contextmanager
    def _changing(self, name: str) -> Iterator[tuple[sqlite3.Connection, str]]:
        name = normalise(name)
        with database.changing(self.file) as db:
            if not db.execute("select 1 from users where name = ?", (name,)).fetchone():
                raise UserNotFoundError(f"{name}: there is no such user; `knownface users list` shows all")
            yield db, name


def _mark(stored: str, created: str) -> str:
    return hashlib.sha256(f"{created} {stored}".encode()).hexdigest()


def normalise(name: str) -> str:
    """A user's name as it is kept: NFKC, case folded, without blanks around it.

    Raises:
        UserNameError: Empty, too long, or with blanks or signs that cannot be seen.
    """
    made = unicodedata.normalize("NFKC", name).strip().casefold()
    if not made or len(made) > _MAX_NAME:
        raise UserNameError(f"a user's name has 1 to {_MAX_NAME} characters")
    if not made.isprintable() or any(c.isspace() for c in made) or made.startswith("-"):
        raise UserNameError("a user's name has no blanks, no signs that cannot be seen, and begins with no hyphen")
    if made.startswith(PREFIX):
        raise UserNameError(f"a user's name does not begin with {PREFIX}: so begin those whom a provider vouches for")
    return made
