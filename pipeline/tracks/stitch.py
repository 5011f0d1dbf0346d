"""Tracks of one person, one soon after the other, become one.

While a face is followed, one shot is held against a track. Afterwards there are whole tracks to hold against each
other, fused over their best shots, which tells people apart better: a turn of the head that broke a track is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from pipeline.tracks.tracker import Track, TrackSettings
from pipeline.types import F32

Payload = TypeVar("Payload")


def stitched(
    tracks: Sequence[Track[Payload]], settings: TrackSettings, fuse: Callable[[Track[Payload]], F32]
) -> list[Track[Payload]]:
    """Joins each track to the most similar one that ended before it began, if that is similar and recent enough.

    Args:
        tracks: Tracks that have ended; those that go on in another are changed.
        settings: `same`, `max_gap_s` and `shots` are looked at.
        fuse: The template of a track, (D,) float32 of unit length.

    Returns:
        The tracks that remain, by their start, then their number.
    """
    done: list[Track[Payload]] = []
    recent: list[Track[Payload]] = []
    templates: dict[int, F32] = {}
    for track in sorted(tracks, key=lambda one: (one.start_s, one.number)):
        template = fuse(track)
        recent = [one for one in recent if track.start_s - one.end_s <= settings.max_gap_s]
        before = [one for one in recent if one.end_s < track.start_s]
        scores = [float(np.dot(templates[one.number], template)) for one in before]
        score, _, best = max(
            ((score, -one.number, one) for score, one in zip(scores, before, strict=True)),
            key=lambda found: found[:2],
            default=(-np.inf, 0, track),
        )
        if score < settings.same:
            done.append(track)
            recent.append(track)
            templates[track.number] = template
        else:
            best.take(track, settings.shots)
            templates[best.number] = fuse(best)
    return done
