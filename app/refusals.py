"""Log-ins and API keys that were refused, in the audit log: so few entries that nobody can fill it by guessing.

What is refused is counted. The first refusal in a while is written at once, those of the minute after it together, at
its end; so an attack of any size makes an entry a minute, and one of a single guess is there as well. That a name was
locked is an entry of its own: a name that somebody has can be locked a few times an hour at most, and one that nobody
has is only counted. What was typed is never written: it may be a password.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pipeline.errors import KeyRefusedError, KnownfaceError, LoginRefusedError

Way = Literal["password", "provider", "key"]
Record = Callable[[str, str, Mapping[str, Any]], None]

INTERVAL_S = 60.0
_NAMED = 50  # users or keys of one entry
_LOG = logging.getLogger("knownface.access")


class Refusals:
    """Counts refusals and writes them down. Safe to share between threads.

    Args:
        record: Writes an entry: action, target, detail. Its KnownfaceErrors go to the program's own log.
        interval_s: Seconds that share an entry.
        now: A clock in seconds that never goes back.
    """

    def __init__(
        self, record: Record, interval_s: float = INTERVAL_S, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._record, self._interval_s, self._now = record, interval_s, now
        self._lock = threading.Lock()
        self._counts: Counter[tuple[Way, str]] = Counter()
        self._until = -float("inf")
        self._timer: threading.Timer | None = None

    def refused(self, way: Way, error: KnownfaceError | None = None) -> None:
        """Counts one; waits for the database where it is the first in a while.

        Args:
            way: What was shown.
            error: Why; it says which user or key there is of that name.
        """
        whom = error.user if isinstance(error, LoginRefusedError) else ""
        whom = error.key if isinstance(error, KeyRefusedError) else whom
        with self._lock:
            self._counts[way, whom] += 1
            first = self._now() >= self._until
            if first:
                self._until = self._now() + self._interval_s
            elif self._timer is None:
                self._timer = threading.Timer(max(0.0, self._until - self._now()), self.flush)
                self._timer.daemon = True
                self._timer.start()
        if first:
            self.flush()
        if isinstance(error, LoginRefusedError) and error.user and error.lock_s:
            self._write("lockout", f"user:{error.user}", {"seconds": round(error.lock_s)})

    def flush(self) -> None:
        """Writes what was counted since the last entry, if anything was."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._until = max(self._until, self._now() + self._interval_s) if counts else self._until
        for way in dict.fromkeys(way for way, _ in counts):
            whom = {name: count for (its, name), count in counts.most_common() if its == way and name}
            whom = dict(list(whom.items())[:_NAMED])
            detail = {"way": way, "refused": sum(count for (its, _), count in counts.items() if its == way)}
            self._write("login_refused", "", detail | ({"of": whom} if whom else {}))

    def _write(self, action: str, target: str, detail: Mapping[str, Any]) -> None:
        try:
            self._record(action, target, detail)
        except KnownfaceError as error:
            _LOG.warning("a %s could not be written into the audit log: %s", action, error.code)
