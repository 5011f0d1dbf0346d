"""What all requests of a server share."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.access import oidc
from app.access.keys import Keys
from app.access.tokens import Tokens
from app.access.users import Users
from app.api.batching import Batcher
from app.api.idempotency import Requests
from app.api.measures import Measures
from app.photos import Upload
from app.refusals import Refusals
from app.services import Services
from pipeline.errors import PhotoError
from pipeline.images import Photo
from pipeline.recognizer import Faces

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes.

    Attributes:
        per_minute: Requests of one key, or of everybody without one; 0 for any number.
        photos: Photos of one request.
        photo_bytes: Bytes of a request that brings photos.
        other_bytes: Bytes of any other request.
        zip_bytes: Bytes of a zip.
        video_bytes: Bytes of a request that brings a video.
        videos: Videos that are judged at the same time.
        together_bytes: Bytes of all requests that are held in memory at the same time.
        body_s: Seconds that a client may let pass between two parts of a body.
        body_rate: Bytes a second of a body on the whole, after `body_s`.
        head_s: Seconds for the head of a request.
        answer_s: Seconds in which some of an answer has to be taken.
        connections: At once; 0 for as many as the system allows.
        followers: Requests that follow runs at the same time.
        followers_each: As many of them may be one caller's.
        batch: Photos that share a pass at most; 1 for none.
    """

    per_minute: int = 600
    photos: int = 100
    photo_bytes: int = 256 * MIB
    other_bytes: int = MIB
    zip_bytes: int = 2048 * MIB
    video_bytes: int = 128 * MIB
    videos: int = 2
    together_bytes: int = 1024 * MIB
    body_s: float = 30.0
    body_rate: float = 4096.0
    head_s: float = 20.0
    answer_s: float = 60.0
    connections: int = 0
    followers: int = 64
    followers_each: int = 16
    batch: int = 1


@dataclass
class State:
    """The shared parts of one server.

    Attributes:
        services: Of whoever sits at this machine; each request acts as somebody.
        limits: What it takes.
        local: It listens on this machine only.
        config: The settings file in use.
        names: Names the server answers to while nobody needs a key.
        stopping: It is about to end: what lasts for long ends itself.
        followers: Requests that follow a run now, by caller.
    """

    services: Services
    limits: Limits = field(default_factory=Limits)
    local: bool = True
    config: Path | None = None
    names: frozenset[str] = frozenset({"127.0.0.1", "localhost", "::1"})
    stopping: threading.Event = field(default_factory=threading.Event)
    followers: Counter[str] = field(default_factory=Counter)
    measures: Measures = field(default_factory=Measures)

    def __post_init__(self) -> None:
        home = self.services.settings.home
        self.keys, self._users, self.requests = Keys(home), Users(home), Requests(home)
        self.tokens = Tokens(home)
        self._home = home
        self.refusals = Refusals(self._record)
        self.videos = threading.BoundedSemaphore(self.limits.videos)
        self.batcher = Batcher(
            lambda: self.services.recognizer,
            workers=self.services.settings.worker_count,
            most=self.limits.batch,
            seen=self.measures.batch,
        )
        self.measures.ask_waiting(lambda: self.batcher.waiting)

    def open_to_all(self) -> bool:
        """Whether whoever reaches the server needs no key: it listens on this machine only, and nobody logs in here."""
        return self.local and not self.keys.any() and not self._users.any() and oidc.load(self._home) is None

    def look(self, uploads: Sequence[Upload]) -> list[Faces | PhotoError]:
        """The faces of photos, or why one cannot be used; in passes shared with other requests.

        Raises:
            RefusedError: Too many photos wait.
        """
        self.services.open_gallery_if_there()
        found: list[Photo | PhotoError] = [self._opened(upload) for upload in uploads]
        seen = iter(self.batcher.analyse_all([photo for photo in found if not isinstance(photo, PhotoError)]))
        return [photo if isinstance(photo, PhotoError) else next(seen) for photo in found]

    def _opened(self, upload: Upload) -> Photo | PhotoError:
        try:
            return self.services.open(upload)
        except PhotoError as error:
            return error

    def _record(self, action: str, target: str, detail: Mapping[str, Any]) -> None:
        self.services.gallery.record(action, target, detail)

    def close(self) -> None:
        """Ends the workers and closes the gallery."""
        self.refusals.flush()
        self.batcher.close()
        self.services.close()
