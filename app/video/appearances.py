"""A video as its appearances: each time somebody is to be seen, with one template fused over the best shots.

The frames go through the same recognizer as photos, in the order of their times, so the same video gives the same
appearances on every run. Memory is bounded by a few frames and by what is kept of each track: eight templates and one
small picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.runs.thumbnails import thumbnail
from pipeline.config import Settings
from pipeline.decide import choose_verify_point
from pipeline.errors import PhotoError
from pipeline.gallery.fusion import fuse
from pipeline.images import Photo
from pipeline.recognizer import Faces, Recognizer
from pipeline.tracks import SceneCuts, Shot, Track, Tracker, TrackSettings, stitched
from pipeline.types import F32, Detections, OperatingPoint, Qualities, Templates
from pipeline.video import VideoLimits, open_video

_CHUNK_PIXELS = 8_000_000  # of frames that go through the networks together
_CHUNK_FRAMES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Appearances:
    """What a video shows; row i of each part is one appearance, in the order in which they begin.

    Attributes:
        source: What the video is called.
        sha256: Hash of the file's bytes.
        detections: The best shot of each, in pixels of the upright frame.
        templates: The template of each, fused over its best shots; the norms are those of the best one.
        spans: First and last time at which each was seen, in seconds after the first frame.
        seen: In how many of the sampled frames.
        qualities: Of the best shot: the unified quality, 0 to 100.
        thumbnails: JPEG of the best shot.
    """

    source: str
    sha256: str
    detections: Detections
    templates: Templates
    spans: tuple[tuple[float, float], ...]
    seen: tuple[int, ...]
    qualities: tuple[float, ...]
    thumbnails: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.spans)


@dataclass(slots=True, eq=False)
class Seen:
    """A face in one frame.

    Attributes:
        detection: One row.
        norm: Of its template.
        thumbnail: JPEG; made when the shot is the best one of its track.
    """

    detection: Detections
    norm: float
    thumbnail: bytes = b""


def track_settings(settings: Settings, points: Sequence[OperatingPoint], model_id: str) -> TrackSettings:
    """When two faces of a video are one track: from the operating point at which two photos are one person.

    Half of its threshold is what two shots in one place may fall to, blurred or turned away, and still be one person.

    Raises:
        NoOperatingPointError: Nothing says which score is a match.
    """
    same = choose_verify_point(points, model_id, settings.verify_fmr).threshold
    return TrackSettings(same, min(same, max(same, 0.0) / 2), max_gap_s=settings.video_max_gap_s)


def analyse_video(
    path: str | Path, recognizer: Recognizer, settings: Settings, tracking: TrackSettings, *, workers: int = 1
) -> Appearances:
    """Everybody who appears in a video.

    Args:
        path: Of the file.
        recognizer: What frames are analysed with.
        settings: How often it is looked at, and the limits.
        tracking: What `track_settings` says.
        workers: Parallel streams; they change nothing about the result.

    Raises:
        PhotoError: The video cannot be used.
        VideoUnsupportedError: The extra `video` is not installed.
    """
    limits = VideoLimits(settings.video_max_pixels, settings.video_max_seconds, settings.video_max_frames)
    tracker, cuts, ended = Tracker[Seen](tracking), SceneCuts(), list[Track[Seen]]()
    sampled, image_hw = 0, (0, 0)
    with open_video(path, limits) as video:
        chunk = max(1, min(_CHUNK_FRAMES, _CHUNK_PIXELS // video.pixels))
        frames = video.frames(settings.video_interval_ms)
        for frame, faces in recognizer.stream(frames, lambda one: one.photo, workers=workers, chunk=chunk):
            sampled, image_hw = sampled + 1, image_hw if sampled else frame.photo.image_hw
            shots = [] if isinstance(faces, PhotoError) else shots_of(faces, recognizer.assess(faces), frame.time_s)
            tracks = tracker.update(frame.time_s, shots, cut=cuts.is_cut(frame.photo.pixels()))
            picture_best(tracks, shots, frame.photo)
            ended += tracker.ended(frame.time_s)
        ended += tracker.ended()
        tracks = stitched(ended, tracking, lambda track: fused(track)[0])
        enough = min(settings.video_min_seen, sampled)
        kept = [track for track in tracks if track.seen >= enough]
        return _appearances(video.source, video.sha256, kept, image_hw, recognizer)


def shots_of(faces: Faces, qualities: Qualities, time_s: float) -> list[Shot[Seen]]:
    """The faces of one frame with their qualities, for a tracker."""
    return [
        Shot(
            time_s,
            faces.detections.boxes[row],
            faces.templates.vectors[row],
            float(qualities.unified[row]),
            Seen(faces.detections[[row]], float(faces.templates.norms[row])),
        )
        for row in range(len(faces))
    ]


def picture_best(tracks: Sequence[Track[Seen]], shots: Sequence[Shot[Seen]], photo: Photo) -> None:
    """Keeps a picture of each shot that is the best one of its track, and drops that of the one before."""
    for track, shot in zip(tracks, shots, strict=True):
        if track.best is shot:
            shot.payload.thumbnail = thumbnail(photo, shot.box)
            for other in track.shots[1:]:
                other.payload.thumbnail = b""


def fused(track: Track[Seen]) -> tuple[F32, float]:
    """The template of a track, (D,) float32 of unit length, over its best shots, and the norm of the best one."""
    vectors = np.stack([shot.vector for shot in track.shots])
    quality = np.array([shot.quality for shot in track.shots], np.float64)
    return fuse(vectors, quality), track.best.payload.norm


def _appearances(
    source: str, sha256: str, tracks: Sequence[Track[Seen]], image_hw: tuple[int, int], recognizer: Recognizer
) -> Appearances:
    best = [track.best.payload.detection for track in tracks]
    templates = [fused(track) for track in tracks]
    vectors = [np.zeros((0, recognizer.dimension), np.float32), *(vector[None] for vector, _ in templates)]
    return Appearances(
        source,
        sha256,
        _rows(best, image_hw),
        Templates(
            np.concatenate(vectors),
            np.array([norm for _, norm in templates], np.float32),
            recognizer.model_id,
        ),
        tuple((round(track.start_s, 3), round(track.end_s, 3)) for track in tracks),
        tuple(track.seen for track in tracks),
        tuple(track.best.quality for track in tracks),
        tuple(track.best.payload.thumbnail for track in tracks),
    )


def _rows(parts: Sequence[Detections], image_hw: tuple[int, int]) -> Detections:
    if not parts:
        return Detections.empty(image_hw)
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.confidences for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        image_hw,
    )
