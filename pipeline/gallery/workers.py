"""A few threads that share the parts of one search."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import TypeVar

_T = TypeVar("_T")
_MOST = 4  # threads of one search


def share(work: Callable[[int], _T], parts: int) -> list[_T]:
    """What `work` returns for 0, 1, ... parts - 1, computed by the calling thread and whichever others are free.

    The caller never waits for a thread to begin: what nobody has taken it does itself. So busy cores cost at most the
    part that another thread is in the middle of.

    Args:
        work: Called once per part, from any thread; it should leave the interpreter's lock for most of its time.
        parts: How many parts there are.
    """
    helpers = min(_MOST, parts, _cores()) - 1
    if helpers < 1:
        return [work(number) for number in range(parts)]
    waiting: SimpleQueue[int] = SimpleQueue()
    for number in range(parts):
        waiting.put(number)

    def some() -> dict[int, _T]:
        return {number: work(number) for number in _taken(waiting)}

    others = [_pool().submit(some) for _ in range(helpers)]
    done = some()
    for other in others:
        if not other.cancel():
            done |= other.result()
    return [done[number] for number in range(parts)]


def _taken(waiting: SimpleQueue[int]) -> Iterator[int]:
    while True:
        try:
            yield waiting.get_nowait()
        except Empty:
            return


@lru_cache(maxsize=1)
def _cores() -> int:
    return os.cpu_count() or 1


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, min(_MOST, _cores()) - 1), thread_name_prefix="search")


os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork
