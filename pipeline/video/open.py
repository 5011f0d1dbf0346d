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
def open_video(source: str | Path | bytes, limits: VideoLimits | None = None, *, name: str = "") -> Iterator[Video]:
    """Opens a video: reads its header and hashes its bytes, decodes nothing yet.

    Args:
        source: Path of a regular file, or the bytes of one. What it is, its content decides.
        limits: What it may have.
        name: What to call it; by default the path.

    Raises:
        PhotoNotFoundError: There is no such file.
        PhotoUnreadableError: A folder, pipe or device, a missing permission, or an I/O error.
        VideoFormatError: Not a video in a supported format, or one without a picture.
        VideoDamagedError: No bytes, or a broken header.
        VideoTooLargeError: Its header is over a limit.
        VideoUnsupportedError: The package `av` is not installed.
    """
    label = one_line(name or ("the video" if isinstance(source, bytes) else str(source)))
    try:
        need("video", "av")
    except ExtraMissingError as error:
        raise VideoUnsupportedError(f"{label}: is a video; {error.message}") from error
    from pipeline.video.file import opened

    with opened(source, label, limits or VideoLimits()) as video:
        yield video
