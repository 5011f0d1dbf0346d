"""Who appears before a camera, and who leaves: events, one after the other, from frames that come for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from app import trail
from app.video.appearances import Seen, fused, shots_of
from app.video.identify import decided, tracking_of
from pipeline.errors import PhotoError
from pipeline.images import Photo
from pipeline.tracks import SceneCuts, Track, Tracker
from pipeline.types import Decision, Templates

if TYPE_CHECKING:
    from app.services import Services

EventKind = Literal["appeared", "named", "left"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened before the camera.

    Attributes:
        kind: Somebody `appeared`; is now known by another `name` than before; has `left`.
        number: Of the appearance, from 1.
        decision: Who it is, by all that was seen so far.
        box: x0, y0, x1, y1 of the best shot.
        at: When: of `left`, when they were last seen.
        seconds: For how long they have been there by then.
    """

    kind: EventKind
    number: int
    decision: Decision
    box: tuple[float, float, float, float]
    at: datetime
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        decision = self.decision
        return {
            "event": self.kind,
            "time": self.at.isoformat(timespec="milliseconds"),
            "appearance": self.number,
            "subject": decision.subject,
            "decision": decision.kind,
            "score": decision.score,
            "threshold": decision.threshold,
            "best": {"subject": decision.best[0], "score": decision.best[1]} if decision.best else None,
            "box": [round(value, 1) for value in self.box],
            "seconds": round(self.seconds, 3),
            "reason": decision.reason,
        }


@dataclass(slots=True)
class _Known:
    """What was said of a track: its number, whom it was named, and when it is looked up again."""

    number: int
    decision: Decision
    again_at: int


@dataclass
class Watcher:
    """Follows the faces of frames and says who comes and goes.

    Whoever was seen in `video_min_seen` frames has appeared. The name is looked up then, and again whenever the number
    of frames has doubled, from the best shots so far.

    Attributes:
        services: Recognizer, gallery and settings.
        zero: What time it was when the clock of the frames said 0.
    """

    services: Services
    zero: datetime
    _tracker: Tracker[Seen] | None = None
    _cuts: SceneCuts = field(default_factory=SceneCuts)
    _known: dict[int, _Known] = field(default_factory=dict)
    _said: int = 0
    _model_id: str = ""

    def look(self, photo: Photo, time_s: float) -> list[Event]:
        """Takes a frame, later than the one before."""
        recognizer = self.services.recognizer
        events = self.finish() if recognizer.model_id != self._model_id else []
        if self._tracker is None:
            self._tracker, self._model_id = Tracker(tracking_of(self.services)), recognizer.model_id
        try:
            faces = recognizer.analyse(photo)
            shots = shots_of(faces, recognizer.assess(faces), time_s)
        except PhotoError:  # no face in it can be aligned
            shots = []
        for track in self._tracker.update(time_s, shots, cut=self._cuts.is_cut(photo.pixels())):
            events += self._seen(track)
        return events + self.tick(time_s)

    def tick(self, time_s: float) -> list[Event]:
        """Who has left by now, though no frame came."""
        gone = self._tracker.ended(time_s) if self._tracker else []
        return [event for track in gone for event in self._left(track)]

    def finish(self) -> list[Event]:
        """Everybody leaves."""
        gone = self._tracker.ended() if self._tracker else []
        self._tracker = None
        return [event for track in gone for event in self._left(track)]

    def _seen(self, track: Track[Seen]) -> list[Event]:
        known = self._known.get(track.number)
        if track.seen < (known.again_at if known else self.services.settings.video_min_seen):
            return []
        decision = self._decide(track)
        if known is None:
            self._said += 1
            self._known[track.number] = _Known(self._said, decision, 2 * track.seen)
            return [self._event("appeared", track)]
        changed = decision.subject != known.decision.subject
        known.decision, known.again_at = decision, 2 * track.seen
        return [self._event("named", track)] if changed else []

    def _left(self, track: Track[Seen]) -> list[Event]:
        if track.number not in self._known:
            return []
        if self._model_id == self.services.gallery.model_id:  # else the gallery was switched: what was said stands
            self._known[track.number].decision = self._decide(track)
        event = self._event("left", track)
        del self._known[track.number]
        return [event]

    def _event(self, kind: EventKind, track: Track[Seen]) -> Event:
        known = self._known[track.number]
        x0, y0, x1, y1 = track.best.box.tolist()
        at = datetime.fromtimestamp(self.zero.timestamp() + track.end_s, UTC)
        return Event(kind, known.number, known.decision, (x0, y0, x1, y1), at, track.end_s - track.start_s)

    def _decide(self, track: Track[Seen]) -> Decision:
        vector, norm = fused(track)
        templates = Templates(vector[None], np.array([norm], np.float32), self._model_id)
        decisions = decided(self.services, templates)
        trail.decided(self.services.gallery, self.services.logs, "watch", [("", decisions)])
        return decisions[0]
