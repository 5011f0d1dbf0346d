"""How a client asks a server, for asyncio: connections, tries, pages, lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import httpx

from app.client import run_calls
from app.client.calls import Call
from app.client.photos import PhotoLike, upload_of
from app.client.problems import error_of, unreachable
from app.client.reading import Page
from app.client.retrying import Retry
from app.client.rows import RunState
from app.client.transport import options
from pipeline.errors import ServiceError

if TYPE_CHECKING:
    from app.photos import Upload

Answer = TypeVar("Answer")
Row = TypeVar("Row")


class AsksLater:
    """What `AsyncClient` is made of, and its arguments."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        retry: Retry | None = None,
        timeout_s: float = 120.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(**options(url, key, timeout_s), transport=transport)
        self._retry = retry or Retry()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def _read(self, photos: Iterable[PhotoLike]) -> list[Upload]:
        return [await asyncio.to_thread(upload_of, photo) for photo in photos]

    async def _ask(self, call: Call[Answer]) -> Answer:
        """Sends a request, again where that helps and harms nothing. Errors: of the problem document."""
        attempt = 0
        while True:
            try:
                response = await self._http.request(**call.request())
            except httpx.TransportError as error:
                wait = self._wait(error, attempt, again=call.again)
            else:
                pause = self._retry.after_answer(response, attempt, again=call.again)
                if pause is None:
                    return call.result(response)
                wait = pause
            await asyncio.sleep(wait)
            attempt += 1

    def _wait(self, error: httpx.TransportError, attempt: int, *, again: bool) -> float:
        pause = self._retry.after_loss(error, attempt, again=again)
        if pause is None:
            raise unreachable(self._http.base_url, error) from error
        return pause

    async def _pages(self, page: Callable[[str | None], Call[Page[Row]]]) -> AsyncIterator[Row]:
        cursor: str | None = None
        while True:
            found = await self._ask(page(cursor))
            for row in found.rows:
                yield row
            if (cursor := found.cursor) is None:
                return

    async def _states(self, name: str) -> AsyncIterator[RunState]:
        """The events of a run; one state asked for a little later where the server follows too many runs already."""
        try:
            async for line in self._lines(run_calls.events_path(name)):
                if (state := run_calls.event_of(line)) is not None:
                    yield state
        except ServiceError as refused:
            if refused.problem != "overloaded":
                raise
            await asyncio.sleep(run_calls.ASK_S)
            yield await self._ask(run_calls.run(name))

    async def _lines(self, path: str) -> AsyncIterator[bytes]:
        lines = run_calls.Lines()
        async with self._http.stream("GET", path) as response:
            if not response.is_success:
                await response.aread()
                raise error_of(response)
            async for part in response.aiter_bytes():
                for line in lines.feed(part):
                    yield line
