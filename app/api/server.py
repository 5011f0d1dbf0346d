"""uvicorn, and how it ends: nothing new is taken, what was taken is finished."""

from __future__ import annotations

import ctypes
import signal
import sys
from types import FrameType

import uvicorn

from app.api import diary
from app.api.application import make_app
from app.api.connections import limited
from app.api.state import State

_ARENA_MAX = -8  # M_ARENA_MAX of <malloc.h>
_FINISH_S = 60  # what lasts longer than that after the server was told to end is cut off


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, state: State) -> None:
        super().__init__(config)
        self._state = state

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Tells what lasts for long, such as events, to end."""
        self._state.stopping.set()
        super().handle_exit(sig, frame)


def serve(state: State, address: str, port: int) -> None:
    """Answers until it is told to end (SIGTERM, Ctrl-C); to be called in the main thread."""
    config = uvicorn.Config(
        make_app(state),
        host=address,
        port=port,
        http=limited(state.limits),
        log_config=diary.config(),
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who asks is who is connected: a header may say anything
        timeout_graceful_shutdown=_FINISH_S,
        ws="none",
        lifespan="on",
    )
    _few_arenas()
    # uvicorn, once it has ended, raises the signal again: to end when told is no failure, so the exit code stays 0
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        _Server(config, state).run()
    finally:
        signal.signal(signal.SIGTERM, before)


def _few_arenas() -> None:
    """Threads share two heaps: glibc gives each of many one of its own otherwise, which keeps what photos took once.

    The variable MALLOC_ARENA_MAX says the same, but only to a process that has not begun.
    """
    if sys.platform == "linux" and hasattr(c_library := ctypes.CDLL(None), "mallopt"):
        c_library.mallopt(_ARENA_MAX, 2)
