"""A request that is sent again under the same Idempotency-Key is done once; kept for a day, through restarts.

What is kept names nobody: the hash of the request, and for each photo the id of its sample or the code of its error,
and of a warning the kind, the figures and the random id of whom it is about.
The answer is made of that and of the retried request itself, which says the same names again or is refused. A server
that is killed between the gallery's commit and this record loses nothing either: enrolling the same photo again finds
the sample that is there.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

from app.api.problems import RefusedError
from app.outcomes import WarningKind
from pipeline.errors import AccessError
from pipeline.gallery import private

KEPT_S = 24 * 3600.0
_MOST = 100_000  # records: the oldest go first
_SCHEMA = """
create table if not exists requests (
  name text primary key, fingerprint blob not null, process text not null, outcome text, at real not null
) strict;
create index if not exists requests_at on requests (at);
"""


@dataclass(frozen=True, slots=True)
class Warned:
    """What was warned of about one photo.

    Attributes:
        kind, score, threshold: As in `app.outcomes.EnrolmentWarning`.
        subject_id: What the log calls that subject; None where there was none by then.
    """

    kind: WarningKind
    subject_id: str | None
    score: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photo.

    Attributes:
        sample_id: The sample, None where it was not enrolled.
        already: It was there before.
        error: The code, None where it was enrolled.
        warned: What was warned of.
    """

    sample_id: str | None
    already: bool = False
    error: str | None = None
    warned: tuple[Warned, ...] = ()

    @classmethod
    def of(cls, said: dict[str, Any]) -> Self:
        """One as it was kept; versions before kept no warnings."""
        return cls(**said | {"warned": tuple(Warned(**one) for one in said.get("warned", ()))})


class Requests:
    """What was done under which key.

    Args:
        home: The data folder.
        now: The clock, in seconds since 1970.
    """

    def __init__(self, home: Path, now: Callable[[], float] = time.time) -> None:
        self.file = home / "api.sqlite3"
        self._now, self._process = now, token_hex(8)

    def begin(self, actor: str, key: str, fingerprint: bytes) -> list[Outcome] | None:
        """What came of it before; None where it has to be done: then `finish` or `give_up` follows.

        Raises:
            RefusedError: The key belongs to another request, or the same one is under way.
        """
        name, now = _name(actor, key), self._now()
        with self._open() as db:
            db.execute("begin immediate")
            db.execute("delete from requests where at < ?", (now - KEPT_S,))
            db.execute(
                "delete from requests where name in (select name from requests order by at desc limit -1 offset ?)",
                (_MOST,),
            )
            row = db.execute("select fingerprint, process, outcome from requests where name = ?", (name,)).fetchone()
            if row is not None and row[0] != fingerprint:
                raise RefusedError("key_reused", "this Idempotency-Key was used for another request: choose a new one")
            if row is not None and row[2] is not None:
                return [Outcome.of(one) for one in json.loads(row[2])]
            if row is not None and row[1] == self._process:
                raise RefusedError(
                    "key_in_progress", "the request with this Idempotency-Key is under way: ask again", 1.0
                )
            db.execute(
                "insert or replace into requests values (?, ?, ?, null, ?)", (name, fingerprint, self._process, now)
            )
        return None

    def finish(self, actor: str, key: str, outcomes: list[Outcome]) -> None:
        """Keeps what came of it; durable when this returns."""
        body = json.dumps([asdict(one) for one in outcomes])
        with self._open() as db:
            db.execute("update requests set outcome = ? where name = ?", (body, _name(actor, key)))

    def give_up(self, actor: str, key: str) -> None:
        """Nothing came of it: it may be tried again."""
        with self._open() as db:
            db.execute("delete from requests where name = ? and outcome is null", (_name(actor, key),))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            private.make_folder(self.file.parent)
            if not self.file.exists():
                os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
            with closing(sqlite3.connect(self.file, timeout=10.0)) as db:
                db.executescript(_SCHEMA)
                with db:
                    yield db
        except (sqlite3.DatabaseError, OSError, ValueError, TypeError) as error:
            raise AccessError(f"{self.file}: the requests cannot be read or written ({error})") from error


def fingerprint(parts: dict[str, Any], photos: list[tuple[str, bytes]]) -> bytes:
    """The hash of a request: of its parts, and of each photo's name and bytes."""
    hashed = [[name, sha256(data).hexdigest()] for name, data in photos]
    return sha256(json.dumps([parts, hashed], sort_keys=True, default=str).encode()).digest()


def _name(actor: str, key: str) -> str:
    """What a key is called here: each actor has keys of their own, and they may say anything."""
    return sha256(json.dumps([actor, key]).encode()).hexdigest()
