"""Opening a video, where the package that reads it may not be installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ExtraMissingError, VideoUnsupportedError
from pipeline.extra import need
from pipeline.images import one_line
from pipeline.video.limits import VideoLimits

if TYPE_CHECKING:
    from pipeline.video.file import Video


@contextmanager
def open_video(path: str | Path, limits: VideoLimits | None = None) -> Iterator[Video]:
    """Opens a video: reads its header and hashes its bytes, decodes nothing yet.

    Args:
        path: Of a regular file. What it is, its content decides.
        limits: What it may have.

    Raises:
        PhotoNotFoundError: There is no such file.
        PhotoUnreadableError: A folder, pipe or device, a missing permission, or an I/O error.
        VideoFormatError: Not a video in a supported format, or one without a picture.
        VideoDamagedError: No bytes, or a broken header.
        VideoTooLargeError: Its header is over a limit.
        VideoUnsupportedError: The package `av` is not installed.
    """
    label = one_line(str(path))
    try:
        need("video", "av")
    except ExtraMissingError as error:
        raise VideoUnsupportedError(f"{label}: is a video; {error.message}") from error
    from pipeline.video.file import opened

    with opened(path, label, limits or VideoLimits()) as video:
        yield video
