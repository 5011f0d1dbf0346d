"""A real server of this process on a port of this machine, and a client for asyncio that is used without."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from app.api.application import make_app
from app.api.state import State
from app.client import AsyncClient


@contextmanager
def serving(state: State, http: Any = "auto") -> Iterator[str]:
    """The address at which `state` is served; it is closed at the end."""
    config = uvicorn.Config(
        make_app(state), port=0, log_config=None, access_log=False, ws="none", lifespan="on", http=http
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 180
        while not server.started and thread.is_alive() and time.monotonic() < until:
            time.sleep(0.005)
        assert server.started
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        state.stopping.set()
        server.should_exit = True
        thread.join(120)


class Blocking:
    """An AsyncClient whose methods are called as those of a Client: a loop of its own runs each to its end."""

    def __init__(self, *words: Any, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = AsyncClient(*words, **options)

    def __enter__(self) -> Blocking:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*words: Any, **options: Any) -> Any:
            made = method(*words, **options)
            return self._each(made) if hasattr(made, "__aiter__") else self._loop.run_until_complete(made)

        return call

    def _each(self, rows: Any) -> Iterator[Any]:
        while True:
            try:
                yield self._loop.run_until_complete(anext(rows))
            except StopAsyncIteration:
                return
