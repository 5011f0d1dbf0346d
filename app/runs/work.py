"""From files that are to be done to faces in the ledger: read, decoded, detected, embedded, searched, all at once.

Two threads read and hash ahead; as many workers as the settings say decode, detect, align and embed chunks of photos;
this thread hands out the work, drops what is known already, searches, and commits.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from threadpoolctl import threadpool_limits

from app.runs.decide import Decider
from app.runs.ledger import Done, Ledger
from app.runs.reading import Read, read_ahead
from app.runs.row_types import QUALITY_DECIMALS, Box, Content, Kind, Landmarks, NewFace
from app.runs.thumbnails import thumbnail
from app.services import Services
from pipeline.config import Settings
from pipeline.errors import KnownfaceError, PhotoError
from pipeline.images import Photo, one_line, open_photo
from pipeline.images.source import hash_file
from pipeline.recognizer import Faces
from pipeline.types import Qualities

#: What waits in memory is committed when it is this many files, or this old.
_COMMIT_FILES = 256
_COMMIT_S = 1.0
#: Photos that go to a worker together hold no more bytes than this and one more photo; large ones go alone, so that no
#: worker has many of them before it while another has none.
_CHUNK_BYTES = 4 << 20


@dataclass(slots=True)
class Batch:
    """What was committed together: the paths, and how the faces of new contents were decided."""

    contents: list[Content] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    decisions: Counter[str] = field(default_factory=Counter)
    failed: int = 0


class Work:
    """Does what is to be done in a ledger.

    Args:
        ledger: The ledger, held by this process.
        services: The recognizer and its limits.
        decider: Names the faces that are new.
        committed: Told of every batch once it is durable.
    """

    def __init__(
        self, ledger: Ledger, services: Services, decider: Decider, committed: Callable[[Batch], None]
    ) -> None:
        self._ledger, self._services, self._decider, self._committed = ledger, services, decider, committed
        self._batch, self._since = Batch(), time.monotonic()
        self._under_way: dict[str, list[str]] = {}
        self._useless: set[str] = set()
        self._uncommitted: set[str] = set()

    def run(self) -> None:
        """Does everything; when it is interrupted, what was complete by then is kept all the same.

        Meanwhile matrix products stay on the thread that asks for them: those of a batch are small, and the threads of
        the BLAS library, which wait for the next one by spinning, would take the networks' cores.
        """
        with threadpool_limits(1, user_api="blas"):
            self._run()

    def _run(self) -> None:
        settings = self._services.settings
        try:
            recognizer = self._services.recognizer
            stream = recognizer.stream_as(
                self._photos(),
                lambda read: opened(read, settings),
                lambda photo, faces: new_content(photo, faces, recognizer.assess(faces)),
                workers=settings.worker_count,
                weight=lambda read: len(read.data),
                max_weight=_CHUNK_BYTES,
            )
            with closing(stream):
                for read, content in stream:
                    if isinstance(content, PhotoError):
                        content = failed_content(read.sha256, "photo", read.path, content)  # noqa: PLW2901
                    self._analysed(content, read.path)
            self._videos()
        finally:
            self._commit()

    def _photos(self) -> Iterator[Read]:
        """The photos that need a worker; the others are done here."""
        for read in read_ahead(self._ledger.to_do("photo"), self._services.settings.max_bytes):
            if read.error is not None:
                self._failed(read.path, read.error.code, read.error.message)
            elif self._is_new(read.sha256, read.path):
                yield read

    def _videos(self) -> None:
        for path in self._ledger.to_do("video"):
            try:
                sha256 = hash_file(Path(path), one_line(path), "video")
            except PhotoError as error:
                self._failed(path, error.code, error.message)
                continue
            if self._is_new(sha256, path):
                from app.video.content import video_content
                from app.video.identify import tracking_of

                settings, recognizer = self._services.settings, self._services.recognizer
                try:
                    tracking = tracking_of(self._services)
                    content = video_content(path, recognizer, settings, tracking, workers=settings.worker_count)
                except PhotoError as error:
                    content = failed_content(sha256, "video", path, error)
                self._analysed(content, path)

    def _is_new(self, sha256: str, path: str) -> bool:
        """Whether the content is to be analysed now; otherwise what is known, or under way, serves this path too."""
        if sha256 in self._under_way:
            self._under_way[sha256].append(path)
            return False
        if sha256 in self._useless or sha256 in self._uncommitted or self._ledger.knows(sha256):
            self._finished(path, sha256)
            return False
        self._under_way[sha256] = []
        return True

    def _analysed(self, content: Content, path: str) -> None:
        self._batch.contents.append(content)
        self._uncommitted.add(content.sha256)
        if content.error is not None:
            self._useless.add(content.sha256)
        for one in (path, *self._under_way.pop(content.sha256, ())):
            self._finished(one, content.sha256)

    def _finished(self, path: str, sha256: str) -> None:
        self._batch.done.append(Done(path, sha256))
        self._batch.failed += sha256 in self._useless
        self._commit_if_due()

    def _failed(self, path: str, code: str, message: str) -> None:
        self._batch.done.append(Done(path, None, code, message))
        self._batch.failed += 1
        self._commit_if_due()

    def _commit_if_due(self) -> None:
        if len(self._batch.done) >= _COMMIT_FILES or time.monotonic() - self._since >= _COMMIT_S:
            self._commit()

    def _commit(self) -> None:
        batch, self._batch, self._since = self._batch, Batch(), time.monotonic()
        if not batch.done:
            return
        self._ledger.put(batch.contents, batch.done)
        self._uncommitted.clear()
        batch.decisions = self._decider.contents([content.sha256 for content in batch.contents if content.faces])
        self._committed(batch)


def opened(read: Read, settings: Settings) -> Photo:
    """The photo of a file that was read.

    Raises:
        PhotoError: It is none, or is over a limit.
    """
    return open_photo(
        read.data,
        name=read.path,
        max_bytes=settings.max_bytes,
        max_pixels=settings.max_pixels,
        sha256=read.sha256,
    )


def new_content(photo: Photo, faces: Faces, qualities: Qualities) -> Content:
    """What a photo, its faces and their qualities put into the ledger, with a picture of each face.

    Raises:
        PhotoError: A picture cannot be made.
    """
    found = faces.detections
    rows = zip(found.boxes, found.landmarks, found.confidences, strict=True)
    made = tuple(
        NewFace(
            box=_box(box),
            landmarks=_landmarks(landmarks),
            confidence=float(confidence),
            vector=faces.templates.vectors[row],
            norm=float(faces.templates.norms[row]),
            thumbnail=thumbnail(photo, box),
            quality=round(float(qualities.unified[row]), QUALITY_DECIMALS),
        )
        for row, (box, landmarks, confidence) in enumerate(rows)
    )
    return Content(photo.sha256, "photo", photo.image_hw, made)


def failed_content(sha256: str, kind: Kind, path: str, error: KnownfaceError) -> Content:
    """A content that cannot be used; what is said about it holds for every path that has it."""
    return Content(sha256, kind, None, error=error.code, message=error.message.removeprefix(f"{one_line(path)}: "))


def _box(values: object) -> Box:
    x0, y0, x1, y1 = (float(value) for value in values)  # type: ignore[attr-defined]
    return x0, y0, x1, y1


def _landmarks(values: object) -> Landmarks:
    return tuple((float(x), float(y)) for x, y in values)  # type: ignore[attr-defined]
