"""Videos: opened safely, one frame every so many milliseconds, always upright.

    open_video -> file               which format, which stream, the limits; nothing is decoded yet
    Video.frames                     sampled by the time they are shown at, as photos, in bounded memory
               -> orient             pixels: upright, square, RGB
    live.LiveFrames                  the newest frame of a camera or stream

The package `av` (PyAV, the extra `video`) decodes; it is imported when a video is opened.
"""

from pipeline.video.limits import VideoLimits
from pipeline.video.open import open_video

__all__ = ["VideoLimits", "open_video"]
