"""The newest frame of a camera or stream: what comes while one looks at a frame is dropped, not queued.

One thread connects, decodes and keeps the last frame; it connects anew, after a wait that doubles, when the stream ends
or breaks. A file is played at its own speed, and once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

import av

from pipeline.errors import StreamError, VideoTooLargeError
from pipeline.images import Photo, from_array, one_line
from pipeline.video.file import FORMATS
from pipeline.video.limits import VideoLimits
from pipeline.video.live_source import LiveSource
from pipeline.video.orient import Upright, shown_width

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0
_TRIES = 3  # before the first frame
_TIMEOUT_S = 10.0
_JOIN_S = 2.0


class LiveFrames:
    """The newest frame of a source, whenever one asks. To be used in a `with`.

    Attributes:
        dropped: Frames that nobody took.
        connections: How often frames came, begun by a first one.

    Args:
        source: Where frames come from.
        limits: Of a frame's pixels; the others do not hold for what has no end.
        told: Called, by the reading thread, with a line about what happens to the connection.
        first_wait_s: Before the first new attempt to connect; it doubles with each one that fails, up to 30 s.
        timeout_s: A stream that says nothing for so long is broken.
    """

    def __init__(
        self,
        source: LiveSource,
        limits: VideoLimits | None = None,
        told: Callable[[str], None] = lambda _: None,
        *,
        first_wait_s: float = _FIRST_WAIT_S,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self._source, self._limits, self._told = source, limits or VideoLimits(), told
        self._first_wait_s, self._timeout_s = first_wait_s, timeout_s
        self._changed = threading.Condition()
        self._newest: tuple[float, VideoFrame, Upright] | None = None
        self._ended: StreamError | bool = False
        self._stopping = threading.Event()
        self.dropped = 0
        self.connections = 0
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(_JOIN_S)  # it may wait for the network; it ends with the process

    def take(self, timeout_s: float) -> tuple[float, Photo] | None:
        """The newest frame that was not taken yet and when it came (`time.monotonic`); None if none comes in time.

        Raises:
            StreamError: The source could not be opened, or its frames cannot be shown.
            EOFError: It was a file, and has ended.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._ended, timeout_s)
            newest, self._newest = self._newest, None
            if newest is None:
                if isinstance(self._ended, StreamError):
                    raise self._ended
                if self._ended:
                    raise EOFError
                return None
        time_s, frame, upright = newest
        try:
            self._limits.check_pixels(self._source.name, shown_width(frame.width, upright.aspect), frame.height)
            return time_s, from_array(upright(frame), self._source.name, copy=False)
        except (av.FFmpegError, ValueError, VideoTooLargeError) as error:
            raise StreamError(f"{self._source.name}: its frames cannot be shown ({_said(error)})") from error

    def _read(self) -> None:
        failures = 0
        try:
            while not self._stopping.is_set():
                before = self.connections
                reason = self._connection()
                if not self._source.live and self.connections:
                    self._end(ended=True)
                    return
                failures = 0 if self.connections > before else failures + 1
                wait_s = min(self._first_wait_s * 2.0 ** max(0, min(failures, 9) - 1), _LONGEST_WAIT_S)
                if not self._source.live or (not self.connections and failures >= _TRIES):
                    self._end(StreamError(f"{self._source.name}: cannot be opened: {reason}"))
                    return
                if not self._stopping.is_set():
                    self._told(f"{self._source.name}: {reason}; trying again in {wait_s:g} s")
                self._stopping.wait(wait_s)
        finally:
            self._end(ended=True)

    def _end(self, error: StreamError | None = None, *, ended: bool = False) -> None:
        with self._changed:
            self._ended = self._ended or error or ended
            self._changed.notify_all()

    def _connection(self) -> str:
        """Opens the source and keeps its newest frame until it ends; says why it did."""
        try:
            with closing(self._opened()) as container:
                for number, (frame, upright) in enumerate(self._frames(container)):
                    with self._changed:
                        self.connections += number == 0
                        self.dropped += self._newest is not None
                        self._newest = time.monotonic(), frame, upright
                        self._changed.notify_all()
        except (av.FFmpegError, ValueError, OSError, VideoTooLargeError) as error:
            return _said(error)
        return "the stream has ended"

    def _opened(self) -> InputContainer:
        source, options = self._source, dict[str, str]()
        if not source.live:
            options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
        elif source.url.lower().startswith(("rtsp:", "rtsps:")):
            options = {"rtsp_transport": "tcp"}  # without it, a lost packet is a torn picture
        return av.open(
            source.url, "r", format=source.format, options=options, timeout=self._timeout_s, metadata_errors="replace"
        )

    def _frames(self, container: InputContainer) -> Iterator[tuple[VideoFrame, Upright]]:
        """Frames as they come; of a file, when they are to be shown."""
        if not container.streams.video:
            raise ValueError("it has no picture")
        stream = container.streams.video[0]
        stream.codec_context.options = {"max_pixels": str(2 * self._limits.max_pixels)}
        upright = Upright(float(stream.sample_aspect_ratio or 1))
        zero_s: float | None = None
        for packet in container.demux(stream):
            with suppress(av.error.InvalidDataError):  # a torn packet; the next one may be whole
                for frame in packet.decode():
                    if not self._source.live and frame.pts is not None:
                        zero_s = time.monotonic() - frame.time if zero_s is None else zero_s
                        self._stopping.wait(min(max(0.0, zero_s + frame.time - time.monotonic()), self._timeout_s))
                    if self._stopping.is_set():
                        return
                    yield frame, upright


def _said(error: Exception) -> str:
    """What an error says, without the name of the source, which may hold a password."""
    if isinstance(error, (av.FFmpegError, OSError)):
        return one_line(error.strerror or type(error).__name__)
    return one_line(error.message if isinstance(error, VideoTooLargeError) else str(error))
