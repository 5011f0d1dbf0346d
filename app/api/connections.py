"""Connections that silence does not keep open: who sends no request, or reads no answer, is hung up on.

uvicorn waits for ever for the rest of a head and for an answer to be taken. Anybody who reaches the port can do that,
without a key, until no more files may be open. So a head and an answer have to go on, and where there are too many
connections the oldest that asks for nothing makes room.
"""

from __future__ import annotations

import asyncio
import sys

from uvicorn.protocols.http.h11_impl import H11Protocol

from app.api.state import Limits

_KEPT_BACK = 256  # files of our own: networks, databases, folders of runs
_FEWEST, _MOST = 64, 65_536


class Connection(H11Protocol):
    """One connection; `limits` is set by `limited`."""

    limits: Limits
    _head: asyncio.TimerHandle | None = None
    _answer: asyncio.TimerHandle | None = None
    _left: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It begins."""
        if len(self.connections) >= most_connections(self.limits):
            idle = (one for one in self.connections if isinstance(one, Connection) and not one.asks())
            oldest = min(idle, key=lambda one: one.since, default=None)
            if oldest is not None:
                oldest.transport.abort()
        self.since = self.loop.time()
        super().connection_made(transport)
        self._wait_for_head()

    def asks(self) -> bool:
        """Whether a request is under way."""
        return self.cycle is not None and not self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Something came: the whole head of a request, or not yet."""
        super().data_received(data)
        self._wait_for_head()

    def on_response_complete(self) -> None:
        """The next request may come; uvicorn counts how long nothing does."""
        super().on_response_complete()
        self.since = self.loop.time()

    def pause_writing(self) -> None:
        """The other end does not read as fast as we write."""
        super().pause_writing()
        self._left = self.transport.get_write_buffer_size()
        self._answer = self.loop.call_later(self.limits.answer_s, self._still_unread)

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self._answer = _cancelled(self._answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._head, self._answer = _cancelled(self._head), _cancelled(self._answer)
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        """From the first moment without a request; what trickles in meanwhile does not begin it anew."""
        if self.asks() or self.transport.is_closing():
            self._head = _cancelled(self._head)
        elif self._head is None:
            self._head = self.loop.call_later(self.limits.head_s, self.transport.abort)

    def _still_unread(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= self._left:
            self.transport.abort()
            return
        self._left = left
        self._answer = self.loop.call_later(self.limits.answer_s, self._still_unread)


def limited(limits: Limits) -> type[Connection]:
    """The connections of a server with these limits."""
    return type("Limited", (Connection,), {"limits": limits})


def most_connections(limits: Limits) -> int:
    """How many there may be: as many as `limits` says, or as the system lets this process open files."""
    if limits.connections or sys.platform == "win32":
        return limits.connections or 1024
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return _MOST
    return max(_FEWEST, min(files - _KEPT_BACK, _MOST))


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """No timer."""
    if timer is not None:
        timer.cancel()
    return None
