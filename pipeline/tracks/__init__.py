"""Faces followed from frame to frame: pure, and none of the pixels.

cuts       has the scene changed between two frames?
tracker    each face of a frame goes on with a track, or begins one; tracks that are out of sight for long end
stitch     tracks of one person, one soon after the other, become one
"""

from pipeline.tracks.cuts import SceneCuts
from pipeline.tracks.stitch import stitched
from pipeline.tracks.tracker import Shot, Track, Tracker, TrackSettings

__all__ = ["SceneCuts", "Shot", "Track", "TrackSettings", "Tracker", "stitched"]
