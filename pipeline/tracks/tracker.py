"""Each face of a frame goes on with the track that it fits best.

A face may go on with a track for either of two reasons (as in DeepSORT, Wojke et al., ICIP 2017, arXiv:1703.07402,
which has motion and appearance in one cost):

- *place*: it overlaps the place where the track's face should be by now, no cut lies between, and it does not look like
  somebody else;
- *looks*: its template and the track's agree as well as two photos of one person must, wherever it is. So a person who
  was hidden, or whom a cut took away for a moment, is taken up again.

Among all pairs that may be, those are made whose overlaps and scores add up to the most (`pipeline.assign`). When two
people cross, their boxes fit both tracks, and the templates decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from pipeline.assign import assign
from pipeline.boxes import box_iou
from pipeline.types import F32, F64

Payload = TypeVar("Payload")


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """When two faces are one track.

    Attributes:
        same: Score from which two templates are one person's, whatever else; an operating point's threshold.
        other: Score below which they are not, even in one place.
        min_iou: Overlap from which two boxes are one place, in (0, 1].
        max_gap_s: A track out of sight for longer ends.
        shots: Best shots of a track that are kept.
    """

    same: float
    other: float
    min_iou: float = 0.2
    max_gap_s: float = 2.0
    shots: int = 8

    def __post_init__(self) -> None:
        if not -1.0 <= self.other <= self.same <= 1.0:
            raise ValueError("-1 <= other <= same <= 1 must hold")
        if not 0.0 < self.min_iou <= 1.0 or self.max_gap_s < 0 or self.shots < 1:
            raise ValueError("min_iou must lie in (0, 1], max_gap_s be at least 0, shots at least 1")


@dataclass(frozen=True, slots=True, eq=False)
class Shot(Generic[Payload]):
    """A face in one frame.

    Attributes:
        time_s: When the frame is shown.
        box: (4,) float32, x0 y0 x1 y1 in pixels.
        vector: (D,) float32 of unit length, its template.
        quality: How well it can be recognised; higher is better.
        payload: Whatever the caller wants to have again.
    """

    time_s: float
    box: F32
    vector: F32
    quality: float
    payload: Payload


@dataclass(slots=True, eq=False)
class Track(Generic[Payload]):
    """A face followed.

    Attributes:
        number: In the order in which tracks began, from 1.
        start_s, end_s: First and last time it was seen.
        seen: In how many frames.
        shots: Its best shots, best first.
    """

    number: int
    start_s: float
    end_s: float
    seen: int
    shots: list[Shot[Payload]]
    _sum: F64
    _last: Shot[Payload]
    _velocity: F64
    _cut: bool = field(default=False)

    @classmethod
    def begun(cls, number: int, shot: Shot[Payload]) -> Track[Payload]:
        """A track of one shot."""
        return cls(number, shot.time_s, shot.time_s, 1, [shot], shot.vector.astype(np.float64), shot, np.zeros(4))

    @property
    def best(self) -> Shot[Payload]:
        """The shot of the highest quality."""
        return self.shots[0]

    @property
    def mean(self) -> F64:
        """Mean direction of all its templates, (D,) float64."""
        length = float(np.linalg.norm(self._sum))
        return self._sum / length if length > 0 else self._sum

    def place_at(self, time_s: float) -> F64 | None:
        """Where its box should be, going on as it last moved; None behind a cut."""
        if self._cut:
            return None
        return self._last.box.astype(np.float64) + self._velocity * (time_s - self.end_s)

    def score(self, vector: F32) -> tuple[float, float]:
        """Cosine similarity to the track as a whole, and to its last shot where that is higher."""
        whole = float(self.mean @ vector)
        return whole, max(whole, float(self._last.vector @ vector))

    def go_on(self, shot: Shot[Payload], keep: int) -> None:
        """Adds a shot later than those before; of all shots the best `keep` stay."""
        elapsed = shot.time_s - self.end_s
        moved = shot.box.astype(np.float64) - self._last.box
        self._velocity = moved / elapsed if elapsed > 0 and not self._cut else np.zeros(4)
        self._cut = False
        self._sum = self._sum + shot.vector
        self._last, self.end_s, self.seen = shot, shot.time_s, self.seen + 1
        self.shots = sorted([*self.shots, shot], key=_best_first)[:keep]

    def take(self, later: Track[Payload], keep: int) -> None:
        """Takes up another track of the same face that began after this one ended."""
        self._sum = self._sum + later._sum
        self._last, self._velocity, self._cut = later._last, later._velocity, later._cut
        self.end_s, self.seen = later.end_s, self.seen + later.seen
        self.shots = sorted([*self.shots, *later.shots], key=_best_first)[:keep]

    def cut(self) -> None:
        """The scene has changed: its place says nothing any more."""
        self._cut = True


class Tracker(Generic[Payload]):
    """Follows faces through frames that come in the order of their times.

    Args:
        settings: When two faces are one track.
    """

    def __init__(self, settings: TrackSettings) -> None:
        self._settings = settings
        self._live: list[Track[Payload]] = []
        self._begun = 0

    @property
    def live(self) -> tuple[Track[Payload], ...]:
        """Tracks that may still go on."""
        return tuple(self._live)

    def update(self, time_s: float, shots: Sequence[Shot[Payload]], *, cut: bool = False) -> list[Track[Payload]]:
        """Takes the faces of one frame.

        Args:
            time_s: Of the frame; later than the one before.
            shots: Its faces.
            cut: The scene has changed since the frame before.

        Returns:
            The track of each face.
        """
        if cut:
            for track in self._live:
                track.cut()
        open_tracks = [track for track in self._live if time_s - track.end_s <= self._settings.max_gap_s]
        gains = self._gains(time_s, open_tracks, shots)
        taken = {column: row for row, column in enumerate(assign(gains)) if column is not None}
        result = []
        for column, shot in enumerate(shots):
            if column in taken:
                track = open_tracks[taken[column]]
                track.go_on(shot, self._settings.shots)
            else:
                self._begun += 1
                track = Track.begun(self._begun, shot)
                self._live.append(track)
            result.append(track)
        return result

    def ended(self, time_s: float | None = None) -> list[Track[Payload]]:
        """Tracks that cannot go on at `time_s` or later, by their number; each is handed out once. None: all."""
        gap = self._settings.max_gap_s
        gone = [track for track in self._live if time_s is None or time_s - track.end_s > gap]
        self._live = [track for track in self._live if track not in gone]
        return gone

    def _gains(self, time_s: float, tracks: Sequence[Track[Payload]], shots: Sequence[Shot[Payload]]) -> F64:
        """What each pair is worth, (tracks, shots) float64; -inf where it may not be."""
        how = self._settings
        gains = np.full((len(tracks), len(shots)), -np.inf)
        if not shots:
            return gains
        boxes = np.stack([shot.box for shot in shots])
        for row, track in enumerate(tracks):
            place = track.place_at(time_s)
            overlaps = np.zeros(len(shots)) if place is None else box_iou(place[None].astype(np.float32), boxes)[0]
            for column, shot in enumerate(shots):
                whole, last = track.score(shot.vector)
                in_place = overlaps[column] >= how.min_iou and last >= how.other
                if in_place or whole >= how.same:
                    gains[row, column] = float(overlaps[column]) + max(last, 0.0) + _LEAST_GAIN
        return gains


_LEAST_GAIN = 1e-6  # a pair that may be is worth something


def _best_first(shot: Shot[Payload]) -> tuple[float, float]:
    return -shot.quality, shot.time_s
