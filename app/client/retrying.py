"""What is sent again, and when."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import SystemRandom

import httpx

from app.client.problems import code_of

#: What passes by itself, and was refused before anything was done.
_PASSES = frozenset({"overloaded", "rate_limited", "key_in_progress", "gallery_busy"})
#: What passes by itself, and may have been done: the gallery's database went away, or a proxy lost the server.
_PERHAPS_DONE = frozenset({"gallery_unreachable", "502", "503", "504"})
_FIRST_S = 0.25


@dataclass(frozen=True, slots=True)
class Retry:
    """How patient a client is.

    Attributes:
        tries: How often a request is sent in all; 1 for never again.
        longest_s: Longest pause between two tries; a server that asks for more is not waited for.
    """

    tries: int = 6
    longest_s: float = 30.0

    def after_loss(self, error: httpx.TransportError, attempt: int, *, again: bool) -> float | None:
        """Seconds until a request is sent again whose answer did not come; None for not.

        Args:
            error: What happened.
            attempt: How often it was sent before; 0 for never.
            again: Sending it twice does what sending it once does.
        """
        never_sent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
        if attempt + 1 >= self.tries or not (again or never_sent):
            return None
        return self._pause(attempt)

    def after_answer(self, response: httpx.Response, attempt: int, *, again: bool) -> float | None:
        """Seconds until a request is sent again that was refused for now; None where its answer counts.

        Args:
            response: The answer; its body was read.
            attempt: As in `after_loss`.
            again: As in `after_loss`.
        """
        if attempt + 1 >= self.tries or response.is_success:
            return None
        code = code_of(response) or str(response.status_code)
        if code not in _PASSES and not (again and code in _PERHAPS_DONE):
            return None
        asked = response.headers.get("retry-after", "")
        if not asked.isascii() or not asked.isdecimal():
            return self._pause(attempt)
        return max(float(asked), self._pause(attempt)) if float(asked) <= self.longest_s else None

    def _pause(self, attempt: int) -> float:
        """Twice as long each time, and not the same for all clients."""
        return min(self.longest_s, _FIRST_S * 2.0**attempt * SystemRandom().uniform(0.75, 1.25))
