"""One video file: its header, and its frames at regular times.

FFmpeg reads the file through a Python object that has only this file, and is allowed formats that hold a video
themselves: playlists, concatenations and session descriptions, which would make it open other files and addresses, are
not among them. One thread decodes, so that a damaged video gives the same frames on every run.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.stream import Disposition

from pipeline.errors import VideoDamagedError, VideoFormatError, VideoTooLargeError
from pipeline.images import Photo, from_array, one_line
from pipeline.images.source import named_os_error, open_regular
from pipeline.video.limits import VideoLimits
from pipeline.video.orient import Upright, shown_width

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

#: Demuxers of files that hold their video themselves.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,asf_o,ogg,mxf,m4v,h264,hevc,ivf,obu,nut,"
    "dv,wav,mp3,flac,aac"
)
#: Those whose header says how long the video is.
_STATES_DURATION = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "asf"}
_SHORT_BY_S, _SHORT_BY_PART = 0.5, 0.02  # of its length a whole video may lack
_BAD_PART = 0.1  # of the packets of a video that is not called damaged
_HEADER = "its header"
_AGAIN = "copy it again from where it came"
_SLACK_S = 1e-6  # a time of a third of a second is never quite a multiple of one


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame: when it is shown, in seconds after the first, and what it shows."""

    time_s: float
    photo: Photo


class Video:
    """A video that is open; made by `open_video`. Its frames can be read once.

    Attributes:
        source: What to call it in messages: safe to print on one line.
        sha256: Hash of the file's bytes, in hexadecimal.
        duration_s: How long its header says it is, None where it does not.
        pixels: Of a frame, as its header says, at least 1.
    """

    def __init__(
        self, source: str, sha256: str, container: InputContainer, stream: VideoStream, limits: VideoLimits
    ) -> None:
        self.source, self.sha256 = source, sha256
        self.duration_s = _duration_s(container, stream)
        self._container, self._stream, self._limits = container, stream, limits
        self._aspect = float(stream.sample_aspect_ratio or 1)
        self._upright = Upright(self._aspect)
        context = stream.codec_context
        self.pixels = max(1, shown_width(context.width, self._aspect) * context.height)
        self._packets = self._bad = 0
        self._last_packet_s = 0.0

    def frames(self, interval_ms: int) -> Iterator[Frame]:
        """The first frame that is shown at or after each multiple of `interval_ms`; one frame stands for one of them.

        Only the frame that is handed out is kept. Frames without a time follow the one before at the nominal rate.

        Raises:
            VideoDamagedError: It is truncated or corrupt.
            VideoTooLargeError: It turns out to be over a limit, or there is not enough memory.
        """
        interval_s, due_s = interval_ms / 1000, 0.0
        for frame, time_s in self._timed():
            if time_s + _SLACK_S < due_s:
                continue
            due_s = ((time_s + _SLACK_S) // interval_s + 1) * interval_s
            yield Frame(time_s, self._photo(frame, time_s))

    def _photo(self, frame: VideoFrame, time_s: float) -> Photo:
        self._limits.check_pixels(self.source, shown_width(frame.width, self._aspect), frame.height)
        with named_errors(self.source, f"at {time_s:.1f} s"):
            rgb = self._upright(frame)
        identity = hashlib.sha256(f"{self.sha256}:{time_s:.6f}".encode()).hexdigest()
        return from_array(rgb, f"{self.source} at {time_s:.1f} s", sha256=identity, copy=False)

    def _timed(self) -> Iterator[tuple[VideoFrame, float]]:
        """Every frame that was decoded whole, with its time; times never fall."""
        rate = self._stream.average_rate or self._stream.guessed_rate or 25
        step_s = min(max(1 / float(rate), 1e-3), 1.0) if rate else 0.04
        first_s: float | None = None
        time_s, count = 0.0, 0
        for frame in self._decoded():
            count += 1
            self._limits.check_frames(self.source, count)
            shown_s = None if frame.pts is None else frame.time
            if shown_s is None:
                time_s += step_s if count > 1 else 0.0
            else:
                first_s = shown_s if first_s is None else first_s
                time_s = max(time_s, shown_s - first_s)
            self._limits.check_seconds(self.source, time_s)
            if not frame.is_corrupt:
                yield frame, time_s
        self._check_whole(count)

    def _decoded(self) -> Iterator[VideoFrame]:
        """Decodes packet by packet; one that cannot be decoded is counted and left out."""
        with named_errors(self.source, "between its frames"):
            for packet in self._container.demux():
                self._note_time(packet)
                if packet.stream is not self._stream:
                    continue
                self._packets += 1
                try:
                    frames = self._stream.decode(packet)
                except av.error.MemoryError:
                    raise
                except av.FFmpegError:
                    self._bad += 1
                    continue
                self._bad += sum(frame.is_corrupt for frame in frames)
                yield from frames

    def _note_time(self, packet: Packet[Stream]) -> None:
        if packet.pts is not None and packet.time_base is not None:
            end = packet.pts + (packet.duration or 0)
            self._last_packet_s = max(self._last_packet_s, float(end * packet.time_base))

    def _check_whole(self, frames: int) -> None:
        if not frames:
            raise VideoDamagedError(f"{self.source}: no frame of it can be decoded: it is damaged; {_AGAIN}")
        if self._bad > _BAD_PART * self._packets:
            raise VideoDamagedError(
                f"{self.source}: {self._bad} of {self._packets} pieces of it cannot be decoded: it is damaged; {_AGAIN}"
            )
        if self._container.format.name not in _STATES_DURATION:
            return
        has_s, promised_s = self._has_and_promised_s()
        if has_s < promised_s - max(_SHORT_BY_S, _SHORT_BY_PART * promised_s):
            raise VideoDamagedError(
                f"{self.source}: ends after {has_s:.1f} of {promised_s:.1f} seconds: it is truncated; {_AGAIN}"
            )

    def _has_and_promised_s(self) -> tuple[float, float]:
        """Seconds that were read, and that the header promises: as a time or, where that is less, a number of frames.

        FFmpeg shortens the time that a truncated AVI says to what its size allows, but not the number of frames.
        """
        start_s = max(0, self._container.start_time or 0) / 1e6
        has_s, promised_s = self._last_packet_s - start_s, self.duration_s or 0.0
        if self._stream.average_rate and self._stream.frames / self._stream.average_rate > promised_s:
            rate = float(self._stream.average_rate)
            return self._packets / rate, self._stream.frames / rate
        return has_s, promised_s


@contextmanager
def opened(source: str | Path | bytes, label: str, limits: VideoLimits) -> Iterator[Video]:
    """What `pipeline.video.open_video` does, where `av` is installed."""
    with io.BytesIO(source) if isinstance(source, bytes) else open_regular(Path(source), label, "video") as file:
        sha256 = _sha256(file, label)
        with named_errors(label, _HEADER):
            # another format of an unlucky file, or another protocol, is never tried
            options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
            container = av.open(file, "r", options=options, metadata_errors="replace")
        with container:
            stream = _picture(container, label)
            _check(label, container, stream, limits)
            yield Video(label, sha256, container, stream, limits)


def _sha256(file: io.FileIO | io.BytesIO, label: str) -> str:
    try:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if not file.seek(0, os.SEEK_END):  # hashing bytes in memory does not move
            raise VideoDamagedError(f"{label}: is empty (0 bytes); {_AGAIN}")
        file.seek(0)
    except OSError as error:
        raise named_os_error(error, label) from error
    return sha256


def _picture(container: InputContainer, label: str) -> VideoStream:
    """The video's stream of pictures; the cover of a song is none."""
    for stream in container.streams.video:
        if not stream.disposition & (Disposition.attached_pic | Disposition.still_image):
            return stream
    what = "only sound" if container.streams.audio else "no picture"
    raise VideoFormatError(f"{label}: holds {what}; name a video that shows something")


def _check(label: str, container: InputContainer, stream: VideoStream, limits: VideoLimits) -> None:
    """Holds the header against the limits and readies the decoder, which keeps to the pixels by itself as well."""
    context = stream.codec_context
    if context is None:
        raise VideoFormatError(f"{label}: is coded in a way that cannot be decoded here; save it as H.264")
    aspect = float(stream.sample_aspect_ratio or 1)
    limits.check_pixels(label, shown_width(context.width, aspect), context.height)
    duration_s = _duration_s(container, stream)
    if duration_s is not None:
        limits.check_seconds(label, duration_s)
    limits.check_frames(label, stream.frames)
    context.thread_count = 1
    context.options = {
        "max_pixels": str(limits.max_pixels + limits.max_pixels // 8)
    }  # coded ones: sides are rounded up


def _duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds that the header promises: of the whole file, where it says so, since all its streams are read."""
    if container.duration is not None and container.duration > 0:
        return container.duration / 1e6
    if stream.duration is not None and stream.duration > 0 and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None


@contextmanager
def named_errors(label: str, where: str) -> Iterator[None]:
    """Turns what FFmpeg raises into a named error of the video."""
    try:
        yield
    except (av.error.MemoryError, MemoryError) as error:
        raise VideoTooLargeError(f"{label}: needs more memory than there is to decode; save it smaller") from error
    except (av.FFmpegError, ValueError, OverflowError) as error:
        if where == _HEADER:
            raise VideoFormatError(
                f"{label}: is not a video in a supported format, or is damaged at its beginning; {_AGAIN}"
            ) from error
        detail = one_line(str(getattr(error, "strerror", None) or error))[:120]
        raise VideoDamagedError(f"{label}: cannot be decoded ({where}: {detail}); {_AGAIN}") from error
    except OSError as error:
        raise named_os_error(error, label) from error
