"""Sessions of people who logged in: kept in memory, ended by time, by logging out, or with their user."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.access.roles import Actor

_MOST = 2000  # sessions at once; the one unused for longest goes first


@dataclass(slots=True)
class _Session:
    actor: Actor
    mark: str | None
    opened: float
    used: float


class Sessions:
    """Who is logged in, by a token that only their browser has. Safe to share between threads.

    Args:
        idle_s: Seconds without use after which a session ends.
        longest_s: Seconds after which it ends in any case.
        now: A clock in seconds that never goes back.
    """

    def __init__(self, idle_s: float, longest_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._idle_s, self._longest_s, self._now = idle_s, longest_s, now
        self._open: OrderedDict[bytes, _Session] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, actor: Actor, *, mark: str | None = None) -> str:
        """Begins a session; returns its token, 256 random bits that are not kept themselves.

        Args:
            actor: Who.
            mark: Of a local user, as `Users.mark_of` gives it, looked up anew each time; None for somebody that a
                provider vouched for.
        """
        token, now = secrets.token_urlsafe(32), self._now()
        with self._lock:
            self._open[_key(token)] = _Session(actor, mark, now, now)
            while len(self._open) > _MOST:
                self._open.popitem(last=False)
        return token

    def find(self, token: str, *, use: bool = True) -> tuple[Actor, str | None] | None:
        """Who the token belongs to, and their mark; None where the session has ended.

        Args:
            token: From the browser.
            use: Count this as use, which puts the end by idleness off.
        """
        key, now = _key(token), self._now()
        with self._lock:
            session = self._open.get(key)
            if session is None:
                return None
            if now - session.used > self._idle_s or now - session.opened > self._longest_s:
                del self._open[key]
                return None
            if use:
                session.used = now
                self._open.move_to_end(key)
            return session.actor, session.mark

    def close(self, token: str) -> None:
        """Ends a session."""
        with self._lock:
            self._open.pop(_key(token), None)


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
