"""Many photos at once: on several threads, in the order of their sources, in memory that has a bound."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pipeline.errors import PhotoError
from pipeline.images import Photo

Source = TypeVar("Source")
Found = TypeVar("Found")
Result = TypeVar("Result")

#: Photos of a chunk are decoded together up to this many pixels; only one photo of more than the second at a time.
_GROUP_PIXELS = 16_000_000
_HEAVY_PIXELS = 32_000_000


@dataclass(frozen=True, slots=True)
class Work(Generic[Source, Found, Result]):
    """What the threads do with a source.

    Attributes:
        open_source: Opens it; a PhotoError it raises becomes that source's result.
        analyse: What is in each of several photos that are looked at together; the error for a photo that fails.
        finish: Makes the result, while the photo's pixels are at hand; a PhotoError likewise.
        heavy: Held while a heavy photo is looked at.
    """

    open_source: Callable[[Source], Photo]
    analyse: Callable[[Sequence[Photo]], Sequence[Found | PhotoError]]
    finish: Callable[[Photo, Found], Result]
    heavy: threading.Lock = field(default_factory=threading.Lock)


def in_order(
    sources: Iterable[Source],
    work: Work[Source, Found, Result],
    *,
    workers: int,
    chunk: int,
    weigh: Callable[[Source], int],
    max_weight: int,
) -> Generator[tuple[Source, Result | PhotoError], None, None]:
    """Results in the order of the sources; at most 2 × workers chunks are under way.

    Args:
        sources: The next is asked for only when a chunk can be started, in the caller's thread.
        work: What is done with each.
        workers: Threads.
        chunk: Photos that are looked at together, at most.
        weigh: How heavy a source is that waits for its thread.
        max_weight: A chunk takes no further source once it weighs so much; 0 for no such limit.
    """
    pending: deque[Future[list[tuple[Source, Result | PhotoError]]]] = deque()
    iterator = iter(sources)
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="recognize") as pool:
        try:
            while True:
                while len(pending) < 2 * workers and (part := _part(iterator, chunk, weigh, max_weight)):
                    pending.append(pool.submit(_chunk, part, work))
                if not pending:
                    return
                yield from pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _part(sources: Iterator[Source], chunk: int, weigh: Callable[[Source], int], max_weight: int) -> list[Source]:
    """The next sources: up to `chunk`, and none after those that weigh `max_weight`."""
    part: list[Source] = []
    weight = 0
    for source in sources:
        part.append(source)
        weight += weigh(source)
        if len(part) == chunk or (max_weight and weight >= max_weight):
            break
    return part


def _chunk(sources: Sequence[Source], work: Work[Source, Found, Result]) -> list[tuple[Source, Result | PhotoError]]:
    """Opens the photos (which reads their headers only) and analyses them a group at a time."""
    results: list[Result | PhotoError] = []
    group: list[Photo] = []
    for source in sources:
        photo = _opened(source, work.open_source)
        if group and (isinstance(photo, PhotoError) or _pixels([*group, photo]) > _GROUP_PIXELS):
            _look_at(group, work, results)
            group = []
        if isinstance(photo, PhotoError):
            results.append(photo)
        else:
            group.append(photo)
    _look_at(group, work, results)
    return list(zip(sources, results, strict=True))


def _look_at(photos: Sequence[Photo], work: Work[Source, Found, Result], results: list[Result | PhotoError]) -> None:
    """Adds the results of photos of one group."""
    if not photos:
        return
    with work.heavy if _pixels(photos) > _HEAVY_PIXELS else nullcontext():
        for photo, found in zip(photos, work.analyse(photos), strict=True):
            results.append(found if isinstance(found, PhotoError) else _finished(work.finish, photo, found))


def _pixels(photos: Sequence[Photo]) -> int:
    return sum(photo.image_hw[0] * photo.image_hw[1] for photo in photos)


def _opened(source: Source, open_source: Callable[[Source], Photo]) -> Photo | PhotoError:
    try:
        return open_source(source)
    except PhotoError as error:
        return error


def _finished(finish: Callable[[Photo, Found], Result], photo: Photo, found: Found) -> Result | PhotoError:
    try:
        return finish(photo, found)
    except PhotoError as error:
        return error
