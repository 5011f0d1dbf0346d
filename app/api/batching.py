"""Concurrent requests share passes through the networks: a small, bounded queue in front of the recognizer.

A worker takes its share of the photos that wait, and analyses them together; it waits for none that might come, and
takes none that another worker could begin with. A photo's templates do not depend on its batch, so the results are
those of one photo at a time.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass

from app.api.problems import RefusedError
from pipeline.errors import PhotoError
from pipeline.images import Photo
from pipeline.recognizer import Faces, Recognizer

#: Photos of a pass together have at most so many pixels, and one of more than the second is looked at alone.
_TOGETHER_PIXELS, _LARGE_PIXELS = 16_000_000, 25_000_000


@dataclass(frozen=True, slots=True)
class _Ask:
    photo: Photo
    answer: Future[Faces | PhotoError]

    @property
    def pixels(self) -> int:
        height, width = self.photo.image_hw
        return height * width


class Batcher:
    """Analyses photos for many threads.

    Args:
        recognizer: Which one is in use now.
        workers: Passes at the same time.
        most: Photos of a pass; 1 for one at a time.
        waiting: Photos that wait at most; further ones are refused.
        seen: Told how many photos each pass had.
    """

    def __init__(
        self,
        recognizer: Callable[[], Recognizer],
        *,
        workers: int,
        most: int = 8,
        waiting: int = 256,
        seen: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._recognizer, self._workers, self._most, self._seen = recognizer, workers, most, seen
        self._queue: queue.Queue[_Ask | None] = queue.Queue(waiting)
        self._large = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Photos that wait."""
        return self._queue.qsize()

    def analyse(self, photo: Photo) -> Faces:
        """The faces of a photo.

        Raises:
            PhotoError: It cannot be used.
            RefusedError: Too many photos wait.
        """
        (found,) = self.analyse_all([photo])
        if isinstance(found, PhotoError):
            raise found
        return found

    def analyse_all(self, photos: Sequence[Photo]) -> list[Faces | PhotoError]:
        """The faces of several photos, or why one cannot be used.

        Raises:
            RefusedError: Too many photos wait.
        """
        asked: list[_Ask] = []
        try:
            for photo in photos:
                ask = _Ask(photo, Future())
                try:
                    self._queue.put_nowait(ask)
                except queue.Full as error:
                    raise RefusedError("overloaded", "too many photos wait to be looked at: try again", 1.0) from error
                asked.append(ask)
            return [ask.answer.result() for ask in asked]
        finally:
            for ask in asked:
                ask.answer.cancel()

    def close(self) -> None:
        """Ends the workers once everything that waits is done."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        left: _Ask | None = None
        while True:
            first = left or self._queue.get()
            if first is None:
                return
            batch, left, ended = self._gather(first)
            self._run([ask for ask in batch if ask.answer.set_running_or_notify_cancel()])
            if ended:
                return

    def _gather(self, first: _Ask) -> tuple[list[_Ask], _Ask | None, bool]:
        """A batch; one more that did not fit into it; and whether the end was seen."""
        batch, pixels = [first], first.pixels
        share = -(-(1 + self._queue.qsize()) // self._workers)
        while len(batch) < min(self._most, share):
            try:
                ask = self._queue.get_nowait()
            except queue.Empty:
                break
            if ask is None:
                return batch, None, True
            pixels += ask.pixels
            if pixels > _TOGETHER_PIXELS:
                return batch, ask, False
            batch.append(ask)
        return batch, None, False

    def _run(self, batch: list[_Ask]) -> None:
        if not batch:
            return
        self._seen(len(batch))
        try:
            with self._large if batch[0].pixels > _LARGE_PIXELS else nullcontext():
                found = self._recognizer().analyse_batch([ask.photo for ask in batch])
        except BaseException as error:  # noqa: BLE001 - handed on to whoever asked, whatever it is
            for ask in batch:
                ask.answer.set_exception(error)
            return
        finally:
            for ask in batch:  # the request lives on, with up to a hundred photos; their pixels may be 300 MB each
                ask.photo.let_go()
        for ask, faces in zip(batch, found, strict=True):
            ask.answer.set_result(faces)
