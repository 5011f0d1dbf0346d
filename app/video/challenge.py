"""Was a challenge followed, on a video or before a camera, and by whom?"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from app import trail
from app.photos import Source, Upload, name_of
from app.video.asked import ask, take
from app.video.identify import decided
from pipeline.challenge import Challenge, ChallengePolicy, Follower, Look, Outcome, Step
from pipeline.decide import choose_verify_point
from pipeline.errors import ChallengeError, PhotoError
from pipeline.gallery.fusion import fuse
from pipeline.images import Photo
from pipeline.recognizer import Faces
from pipeline.types import Decision, Detections, Templates
from pipeline.video import VideoLimits, open_video

if TYPE_CHECKING:
    from app.services import Services
    from pipeline.video.file import Video
    from pipeline.video.live import LiveFrames

_SHOTS = 8
_CHUNK = 4
_WAIT_S = 0.25
_CLOCK_S = 2.0  # what a header may round up


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a challenge.

    Attributes:
        outcome: Whether it was followed.
        decision: Who followed it; None where nobody did, or nobody is enrolled.
    """

    outcome: Outcome
    decision: Decision | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        named = None
        if self.decision is not None:
            one = self.decision
            named = {"subject": one.subject, "decision": one.kind, "score": one.score, "reason": one.reason}
        return self.outcome.as_dict() | {"identity": named}


@dataclass
class Watched:
    """A follower, fed with what a recognizer sees; keeps the best shots of the face.

    Attributes:
        services: Recognizer and gallery.
        follower: Of the challenge.
    """

    services: Services
    follower: Follower
    _shots: list[tuple[float, np.ndarray, float]] = field(default_factory=list)

    def look(self, time_s: float, photo: Photo, faces: Faces | PhotoError) -> Outcome | None:
        """Takes a frame and the faces in it."""
        grey = cv2.cvtColor(photo.pixels(), cv2.COLOR_RGB2GRAY)
        if isinstance(faces, PhotoError):  # no face in it can be aligned
            return self.follower.look(
                Look(time_s, grey, Detections.empty(photo.image_hw), np.zeros((0, 1), np.float32))
            )
        outcome = self.follower.look(Look(time_s, grey, faces.detections, faces.templates.vectors, faces.eyes))
        row = self.follower.row
        if row is not None:
            quality = float(self.services.recognizer.assess(faces).unified[row])
            shot = (quality, faces.templates.vectors[row], float(faces.templates.norms[row]))
            self._shots = sorted([*self._shots, shot], key=lambda one: -one[0])[:_SHOTS]
        return outcome

    def answer(self, outcome: Outcome) -> Answer:
        """The outcome, and who it was, if somebody followed the challenge and anybody is enrolled."""
        services = self.services
        if not outcome.followed or not len(services.gallery):
            return Answer(outcome)
        vectors = np.stack([vector for _, vector, _ in self._shots])
        vector = fuse(vectors, np.array([quality for quality, _, _ in self._shots]))
        norms = np.array([self._shots[0][2]], np.float32)
        decisions = decided(services, Templates(vector[None], norms, services.recognizer.model_id))
        trail.decided(services.gallery, services.logs, "challenge", [("", decisions)])
        return Answer(outcome, decisions[0])


def new_for(services: Services) -> Challenge:
    """A challenge that awaits its answer in the data folder of these services; blinks only where eyes are looked at."""
    return ask(services.settings.home, ChallengePolicy(), blink=services.settings.eyes != "none")


def answer(services: Services, nonce: str, source: Source, *, mirrored: bool = False) -> Answer:
    """Judges a video that was recorded for a challenge of `new_for`. Errors: `take`, `answer_in_video`."""
    services.open_gallery_if_there()
    return answer_in_video(services, source, lambda: take(services.settings.home, nonce), mirrored=mirrored)


def follower_of(services: Services, steps: tuple[Step, ...], *, mirrored: bool = False) -> Follower:
    """A follower whose faces are the same from the operating point at which two photos are one person.

    Raises:
        NoOperatingPointError: Nothing says which score is a match.
    """
    points = services.points or services.calibration()
    point = choose_verify_point(points, services.recognizer.model_id, services.settings.verify_fmr)
    return Follower(steps, point.threshold, mirrored=mirrored)


def answer_in_video(
    services: Services, source: Source, challenge: Callable[[], Challenge], *, mirrored: bool = False
) -> Answer:
    """Judges a video that was recorded for a challenge.

    Args:
        services: Recognizer, gallery and settings.
        source: The file, or what was brought.
        challenge: Takes the challenge out of where it is kept, once the video is known to be one.
        mirrored: The video is one from a mirror, as some phones' front cameras make them.

    Raises:
        PhotoError: The video cannot be used.
        ChallengeError: The challenge cannot be answered, or the video is longer than the challenge is old.
        NoOperatingPointError: As `follower_of`.
    """
    settings, recognizer = services.settings, services.recognizer
    limits = VideoLimits(settings.video_max_pixels, settings.video_max_seconds, settings.video_max_frames)
    arrived, held = time.time(), source.data if isinstance(source, Upload) else source
    with open_video(held, limits, name=name_of(source)) as video:
        asked = challenge()
        most_s = arrived - asked.issued.timestamp() + _CLOCK_S
        _require_recorded_for_it(video, video.duration_s or 0.0, most_s)
        follower = follower_of(services, asked.steps, mirrored=mirrored)
        watched, last_s = Watched(services, follower), 0.0
        stream = recognizer.stream_as(
            video.frames(follower.policy.interval_ms),
            lambda frame: frame.photo,
            lambda photo, faces: (photo, faces),
            workers=settings.worker_count,
            chunk=_CHUNK,
        )
        with closing(stream):
            for frame, found in stream:
                last_s = frame.time_s
                _require_recorded_for_it(video, last_s, most_s)
                photo, faces = (frame.photo, found) if isinstance(found, PhotoError) else found
                if watched.look(frame.time_s, photo, faces):
                    break
        return watched.answer(follower.end(last_s))


def _require_recorded_for_it(video: Video, seconds: float, most_s: float) -> None:
    """A video that was begun after the challenge was made is no longer than the challenge is old."""
    if seconds > most_s:
        raise ChallengeError(
            f"{video.source}: is longer than the challenge is old, so it was not recorded for it: make a new one"
        )


def answer_at_camera(
    services: Services, frames: LiveFrames, follower: Follower, asks: Callable[[Step | None], None]
) -> Answer:
    """Judges what a camera sees, and asks for one step after the other.

    Args:
        services: Recognizer, gallery and settings.
        frames: Of the camera.
        follower: Of the challenge.
        asks: Told of what is awaited whenever it changes; None: to look straight ahead.

    Raises:
        StreamError: The camera cannot be opened, or its frames cannot be shown.
    """
    watched, said, time_s = Watched(services, follower), follower.asks, time.monotonic()
    asks(said)
    while follower.outcome is None:
        try:
            taken = frames.take(_WAIT_S)
        except EOFError:
            return watched.answer(follower.end(time_s))
        if taken is None:
            follower.miss(time.monotonic())
            continue
        time_s, photo = taken
        try:
            watched.look(time_s, photo, services.recognizer.analyse(photo))
        except PhotoError as error:
            watched.look(time_s, photo, error)
        if follower.asks != said and follower.outcome is None:
            said = follower.asks
            asks(said)
    return watched.answer(follower.outcome)
