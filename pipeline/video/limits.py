"""How much of a video is read at most."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import VideoTooLargeError


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """What a video may have; what its header says is checked before decoding, what it turns out to have after.

    Attributes:
        max_pixels: Of one frame.
        max_seconds: From the first frame to the last.
        max_frames: To be decoded, sampled or not.
    """

    max_pixels: int = 36_000_000
    max_seconds: float = 6 * 3600.0
    max_frames: int = 2_000_000

    def check_pixels(self, label: str, width: int, height: int) -> None:
        """Refuses a frame of more pixels.

        Raises:
            VideoTooLargeError: It has more.
        """
        if width * height > self.max_pixels:
            raise VideoTooLargeError(
                f"{label}: has frames of {width}x{height} pixels, over the limit of {self.max_pixels} pixels; "
                "save it smaller or raise video_max_pixels"
            )

    def check_seconds(self, label: str, seconds: float) -> None:
        """Refuses a longer video.

        Raises:
            VideoTooLargeError: It is longer.
        """
        if seconds > self.max_seconds:
            raise VideoTooLargeError(
                f"{label}: is longer than {self.max_seconds:g} seconds, the limit; cut it or raise video_max_seconds"
            )

    def check_frames(self, label: str, frames: int) -> None:
        """Refuses more frames.

        Raises:
            VideoTooLargeError: There are more.
        """
        if frames > self.max_frames:
            raise VideoTooLargeError(
                f"{label}: has more than {self.max_frames} frames, the limit; cut it or raise video_max_frames"
            )
