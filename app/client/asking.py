"""How a client asks a server, from any thread: connections, tries, pages, lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, TypeVar

import httpx

from app.client import run_calls
from app.client.calls import Call
from app.client.problems import error_of, unreachable
from app.client.reading import Page
from app.client.retrying import Retry
from app.client.rows import RunState
from app.client.transport import options
from pipeline.errors import ServiceError

Answer = TypeVar("Answer")
Row = TypeVar("Row")


class Asks:
    """What `Client` is made of, and its arguments."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        retry: Retry | None = None,
        timeout_s: float = 120.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(**options(url, key, timeout_s), transport=transport)
        self._retry = retry or Retry()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _ask(self, call: Call[Answer]) -> Answer:
        """Sends a request, again where that helps and harms nothing. Errors: of the problem document."""
        attempt = 0
        while True:
            try:
                response = self._http.request(**call.request())
            except httpx.TransportError as error:
                wait = self._wait(error, attempt, again=call.again)
            else:
                pause = self._retry.after_answer(response, attempt, again=call.again)
                if pause is None:
                    return call.result(response)
                wait = pause
            time.sleep(wait)
            attempt += 1

    def _wait(self, error: httpx.TransportError, attempt: int, *, again: bool) -> float:
        pause = self._retry.after_loss(error, attempt, again=again)
        if pause is None:
            raise unreachable(self._http.base_url, error) from error
        return pause

    def _pages(self, page: Callable[[str | None], Call[Page[Row]]]) -> Iterator[Row]:
        cursor: str | None = None
        while True:
            found = self._ask(page(cursor))
            yield from found.rows
            if (cursor := found.cursor) is None:
                return

    def _states(self, name: str) -> Iterator[RunState]:
        """The events of a run; one state asked for a little later where the server follows too many runs already."""
        try:
            for line in self._lines(run_calls.events_path(name)):
                if (state := run_calls.event_of(line)) is not None:
                    yield state
        except ServiceError as refused:
            if refused.problem != "overloaded":
                raise
            time.sleep(run_calls.ASK_S)
            yield self._ask(run_calls.run(name))

    def _lines(self, path: str) -> Iterator[bytes]:
        lines = run_calls.Lines()
        with self._http.stream("GET", path) as response:
            if not response.is_success:
                response.read()
                raise error_of(response)
            for part in response.iter_bytes():
                yield from lines.feed(part)
