"""Frames one after the other: was the challenge followed?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.boxes import box_iou
from pipeline.challenge.lids import Lids
from pipeline.challenge.outcome import Failure, Outcome, StepDone
from pipeline.challenge.policy import ChallengePolicy
from pipeline.challenge.steps import SIDEWAYS, Step, Turn
from pipeline.challenge.surface import Surface
from pipeline.quality.pose import head_pose_deg
from pipeline.types import F32, F64, Detections, Image

_OTHER_SIDE: dict[Turn, Turn] = {"left": "right", "right": "left", "up": "up", "down": "down"}


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One frame.

    Attributes:
        time_s: When it was shown; later than the one before.
        grey: (H, W) uint8.
        detections: Its faces, most prominent first.
        vectors: (N, D) float32, their templates.
        eyes: (N,) float32 in [0, 1], how surely their eyes are open; None where that is not looked at.
    """

    time_s: float
    grey: Image
    detections: Detections
    vectors: F32
    eyes: F32 | None = None


@dataclass(slots=True)
class _Turn:
    """What the head did since it left its place.

    Attributes:
        held, wrong: Frames one after the other in which it was turned as asked, and otherwise.
        degrees: How far it was turned at most, as asked.
        departed: The greatest departure from a plane that was seen; None where it could not be told.
        done: It was turned for long enough.
    """

    held: int = 0
    wrong: int = 0
    degrees: float = 0.0
    departed: float | None = None
    done: bool = False


@dataclass(slots=True, eq=False)
class _Face:
    """The face that is followed, as last seen."""

    time_s: float
    box: F32
    landmarks: F32
    vector: F32
    pose: F64
    eyes: float | None


@dataclass(slots=True, eq=False)
class _Start:
    """How the face was before the first step."""

    pose: F64
    vector: F32


@dataclass
class Follower:
    """Judges a challenge while frames come.

    Attributes:
        steps: What was asked, in this order.
        same: Score from which two templates are one person's: an operating point's threshold.
        policy: The other thresholds.
        mirrored: The picture is one from a mirror: left is right.
        surface: What tells how flat the face is.
        outcome: Once there is one.
        row: Of the face in the last frame; None where it was not in it.
    """

    steps: Sequence[Step]
    same: float
    policy: ChallengePolicy = field(default_factory=ChallengePolicy)
    mirrored: bool = False
    surface: Surface = field(default_factory=Surface)
    outcome: Outcome | None = None
    row: int | None = None
    _began_s: float | None = None
    _last: _Face | None = None
    _still: list[_Face] = field(default_factory=list)
    _start: _Start | None = None
    _step_s: float = 0.0
    _turn: _Turn = field(default_factory=_Turn)
    _done: list[StepDone] = field(default_factory=list)
    _others: int = 0
    _blinks: list[float] = field(default_factory=list)
    _least: float | None = None

    def __post_init__(self) -> None:
        self._lids = Lids(self.policy.lids_fall, self.policy.lids_shut_s, self.policy.lids_usual_s)

    @property
    def asks(self) -> Step | None:
        """The step that is awaited; None before the head was still, and at the end."""
        return self.steps[len(self._done)] if self._start and not self.outcome else None

    def look(self, frame: Look) -> Outcome | None:
        """Takes a frame; returns the outcome once there is one."""
        if self.outcome is None:
            self._began_s = frame.time_s if self._began_s is None else self._began_s
            face = self._face(frame)
            _ = self.miss(frame.time_s) if face is None else self._met(face, frame.grey)
        return self.outcome

    def miss(self, time_s: float) -> Outcome | None:
        """Time goes by without the face; nothing is missed before the first frame, while a camera is being opened."""
        if self.outcome is not None or self._began_s is None:
            return self.outcome
        if self._start and self._last and time_s - self._last.time_s > self.policy.gap_s:
            return self._end("lost", time_s)
        return self._in_time(time_s)

    def _met(self, face: _Face, grey: Image) -> Outcome | None:
        """The face is in a frame."""
        before, self._last = self._last, face
        if self._start is None:
            return self._before_start(face, grey)
        if before and self._jumped(before, face):
            return self._end("jump", face.time_s)
        score = float(self._start.vector @ face.vector)
        self._others = self._others + 1 if score < self.same else 0
        self._least = score if self._least is None else min(self._least, score)
        if self._others >= self.policy.hold:
            return self._end("other_face", face.time_s)
        return self._in_time(face.time_s) if self._others else self._move(face, grey)

    def end(self, time_s: float) -> Outcome:
        """No more frames come."""
        if self.outcome:
            return self.outcome
        return self._end("no_face" if self._last is None else "unfinished" if self._start else "not_still", time_s)

    def _face(self, frame: Look) -> _Face | None:
        """The most prominent face, then the one that goes on from it."""
        found, row = frame.detections, 0
        self.row = None
        if not len(found):
            return None
        if self._start is not None and self._last is not None:
            overlaps = box_iou(self._last.box[None], found.boxes)[0]
            near = np.flatnonzero(overlaps >= self.policy.overlap)
            if not len(near):
                return None
            row = int(near[np.argmax(frame.vectors[near] @ self._last.vector)])
        pose = head_pose_deg(found.landmarks[[row]])[0]
        if not np.all(np.isfinite(pose)):
            return None
        self.row = row
        eyes = None if frame.eyes is None else float(frame.eyes[row])
        return _Face(frame.time_s, found.boxes[row], found.landmarks[row], frame.vectors[row], pose, eyes)

    def _before_start(self, face: _Face, grey: Image) -> Outcome | None:
        """Waits for a head that looks straight ahead and is still."""
        how = self.policy
        self._still = [*self._still, face]
        poses = np.stack([one.pose[:2] for one in self._still])
        while np.ptp(poses, axis=0).max() > how.still_deg:
            self._still, poses = self._still[1:], poses[1:]
        straight = abs(float(np.median(poses[:, 0]))) <= how.straight_deg
        if straight and face.time_s - self._still[0].time_s >= how.still_s and len(self._still) > how.hold:
            mean = np.mean([one.vector for one in self._still], axis=0)
            unit: F32 = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
            if all(float(unit @ one.vector) >= self.same for one in self._still):
                self._start, self._step_s = _Start(np.median(poses, axis=0), unit), face.time_s
                self.surface.anchor(grey, face.landmarks)
                return None
        return self._in_time(face.time_s)

    def _jumped(self, before: _Face, now: _Face) -> bool:
        elapsed = max(now.time_s - before.time_s, 1e-3)
        turned = float(np.abs(now.pose[:2] - before.pose[:2]).max())
        return turned > self.policy.turn_deg / 2 and turned / elapsed > self.policy.speed_deg_s

    def _move(self, face: _Face, grey: Image) -> Outcome | None:
        assert self._start is not None  # noqa: S101 - narrows the type
        how, turn, asked = self.policy, self._turn, self.steps[len(self._done)]
        yaw, pitch = (face.pose[:2] - self._start.pose).tolist()
        if max(abs(yaw), abs(pitch)) <= how.neutral_deg:
            if turn.done or self._blinked(asked, face):
                return self._back(asked, face, grey)
            self._turn = _Turn()
            self.surface.anchor(grey, face.landmarks)
            return self._in_time(face.time_s)
        if (departed := self.surface.follow(grey)) is not None:
            turn.departed = max(departed, turn.departed or 0.0)
        seen = self._step_of(yaw, pitch)
        turn.held = turn.held + 1 if seen == asked else 0
        turn.wrong = turn.wrong + 1 if seen not in (None, asked) else 0
        if seen == asked:
            turn.degrees = max(turn.degrees, abs(yaw if asked in SIDEWAYS else pitch))
        turn.done = turn.done or turn.held >= how.hold
        if turn.wrong >= how.hold:
            return self._end("wrong_step", face.time_s)
        return self._in_time(face.time_s)

    def _blinked(self, asked: Step, face: _Face) -> bool:
        """Whether blinking was asked for, and was done."""
        if asked != "blink" or face.eyes is None:
            return False
        if self._lids.blinked(face.time_s, face.eyes):
            self._blinks.append(face.time_s)
        recent = [at for at in self._blinks if face.time_s - at <= self.policy.blinks_s and at > self._step_s]
        return len(recent) >= self.policy.blinks

    def _step_of(self, yaw: float, pitch: float) -> Turn | None:
        """The step that a turn is, by what is greater of it."""
        aside, tilted = abs(yaw) / self.policy.turn_deg, abs(pitch) / self.policy.tilt_deg
        if max(aside, tilted) < 1:
            return None
        step: Turn = ("left" if yaw > 0 else "right") if aside >= tilted else ("up" if pitch > 0 else "down")
        return _OTHER_SIDE[step] if self.mirrored else step

    def _back(self, asked: Step, face: _Face, grey: Image) -> Outcome | None:
        """What was asked was done, and the head is back."""
        turn, self._turn = self._turn, _Turn()
        done = StepDone(asked, self._elapsed(self._step_s), self._elapsed(face.time_s))
        if asked == "blink":
            return self._next(done, face, grey)
        if turn.departed is None:
            return self._end("unclear", face.time_s)
        relief = turn.departed / float(np.sin(np.radians(min(turn.degrees, 90.0))))
        if relief < self.policy.relief:
            return self._end("flat", face.time_s)
        return self._next(replace(done, degrees=turn.degrees, relief=relief), face, grey)

    def _next(self, done: StepDone, face: _Face, grey: Image) -> Outcome | None:
        """A step is done, and the next is awaited."""
        self._done.append(done)
        self._step_s = face.time_s
        self.surface.anchor(grey, face.landmarks)
        return self._end(None, face.time_s) if len(self._done) == len(self.steps) else None

    def _in_time(self, time_s: float) -> Outcome | None:
        """Ends where what is awaited takes too long."""
        if self._start is not None:
            return self._end("too_slow", time_s) if time_s - self._step_s > self.policy.step_s else None
        late = self._elapsed(time_s) > self.policy.step_s
        return self._end("no_face" if self._last is None else "not_still", time_s) if late else None

    def _end(self, failure: Failure | None, time_s: float) -> Outcome:
        self.outcome = Outcome(failure, self._elapsed(time_s), tuple(self._done), self._least)
        return self.outcome

    def _elapsed(self, time_s: float) -> float:
        """Seconds since the first frame; 0 where none came."""
        return 0.0 if self._began_s is None else time_s - self._began_s
