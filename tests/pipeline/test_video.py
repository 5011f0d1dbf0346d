"""Reading videos: sampled by time, upright, within limits; what is damaged or no video is a named error."""

from __future__ import annotations

import importlib.util
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline.extra
from pipeline.errors import KnownfaceError, PhotoError
from pipeline.types import Image
from pipeline.video import VideoLimits, open_video
from pipeline.video.orient import _turned, shown_width
from tests.videos import LOSSLESS, write_sound, write_video


def clip(count: int = 25, hw: tuple[int, int] = (48, 64)) -> list[Image]:
    """Frames whose grey level is ten times their number; the left upper quarter is white."""
    frames = [np.full((*hw, 3), (10 * number) % 250, np.uint8) for number in range(count)]
    for frame in frames:
        frame[: hw[0] // 2, : hw[1] // 2] = 255
    return frames


def sampled(path: Path, interval_ms: int = 200, limits: VideoLimits | None = None) -> list[tuple[float, Image]]:
    """Time and pixels of each frame."""
    with open_video(path, limits) as video:
        return [(round(frame.time_s, 4), frame.photo.pixels()) for frame in video.frames(interval_ms)]


def code_of(path: Path, limits: VideoLimits | None = None) -> str:
    """Code of the error that reading it gives."""
    with pytest.raises(PhotoError) as caught:
        sampled(path, 40, limits)
    assert caught.value.message.startswith(f"{path}: ")
    assert "\n" not in caught.value.message
    return caught.value.code


def test_frames_come_at_regular_times(tmp_path: Path) -> None:
    frames = sampled(write_video(tmp_path / "a.mkv", clip(), codec=LOSSLESS))
    assert [time for time, _ in frames] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert [int(pixels[-1, -1, 0]) for _, pixels in frames] == [0, 50, 100, 150, 200]


def test_a_frame_is_a_photo_with_an_identity_of_its_own(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", clip(), codec=LOSSLESS)
    with open_video(path) as video:
        first, second = list(video.frames(600))
        assert first.photo.source == f"{path} at 0.0 s"
        assert first.photo.sha256 != second.photo.sha256
        assert not first.photo.pixels().flags.writeable
    with open_video(path) as again:
        assert next(again.frames(600)).photo.sha256 == first.photo.sha256


def test_a_variable_frame_rate_is_sampled_by_time(tmp_path: Path) -> None:
    times = [0, 40, 80, 90, 100, 500, 510, 1000, 1390, 1410]
    path = write_video(tmp_path / "a.mkv", clip(len(times)), codec=LOSSLESS, times_ms=times)
    assert [time for time, _ in sampled(path)] == [0.0, 0.5, 1.0, 1.39, 1.41]


def test_a_frame_rate_that_does_not_divide_the_interval(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", clip(24), rate=12)
    assert [time for time, _ in sampled(path, 250)] == pytest.approx(
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75], abs=2e-3
    )


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("a.mp4", ("libx264", "yuv420p")), ("a.mp4", ("mpeg4", "yuv420p")), ("a.mkv", ("libx264", "yuv444p"))),
        *(("a.mkv", ("ffv1", "yuv420p10le")), ("a.mkv", ("ffv1", "gray")), ("a.avi", ("mjpeg", "yuvj420p"))),
        *(("a.webm", ("libvpx-vp9", "yuv420p")), ("a.mov", ("qtrle", "argb")), ("a.mkv", ("ffv1", "yuva444p"))),
        *(("a.mpg", ("mpeg2video", "yuv420p")), ("a.mp4", ("libx265", "yuv420p10le"))),
    ],
)
def test_formats_and_pixel_formats(tmp_path: Path, name: str, codec: tuple[str, str]) -> None:
    frames = sampled(write_video(tmp_path / name, clip(), codec=codec))
    assert len(frames) == 5
    for number, (_, pixels) in enumerate(frames):
        assert pixels.shape == (48, 64, 3)
        assert pixels[40, 50].astype(int) == pytest.approx(50 * number, abs=8)
        assert pixels[5, 5].astype(int) == pytest.approx(255, abs=8)


def test_odd_sizes(tmp_path: Path) -> None:
    (_, pixels), *_ = sampled(write_video(tmp_path / "a.mkv", clip(5, (47, 61)), codec=LOSSLESS))
    assert pixels.shape == (47, 61, 3)


@pytest.mark.parametrize(("degrees", "corner"), [(0, "lt"), (90, "lb"), (180, "rb"), (270, "rt")])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_rotation_of_the_container_is_applied(tmp_path: Path, degrees: int, corner: str, mirrored: bool) -> None:
    def turn(stream: Any) -> None:
        stream.set_display_rotation(degrees, mirrored)

    path = write_video(tmp_path / "a.mp4", clip(5), prepare=turn)
    with av.open(str(path)) as container:
        told = next(container.decode(video=0)).rotation % 360
    (_, pixels), *_ = sampled(path)
    assert pixels.shape == ((64, 48, 3) if degrees % 180 else (48, 64, 3))
    white = {
        place: bool((pixels[y, x] > 200).all())
        for place, (y, x) in {"lt": (5, 5), "rt": (5, -5), "lb": (-5, 5), "rb": (-5, -5)}.items()
    }
    assert sum(white.values()) == 1
    if not mirrored:
        assert told == degrees
        assert white[corner], white
    else:
        assert not white[corner], white


@given(st.sampled_from([0, 1, 2, 3]), st.booleans(), st.booleans())
def test_a_turned_picture_shows_each_pixel_where_the_matrix_says(quarter: int, across: bool, down: bool) -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    signs = np.array([[-1 if across else 1, 0], [0, -1 if down else 1]])
    turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), quarter) @ signs
    a, c, b, d = (int(value) * 65536 for value in turn.ravel())
    turned = _turned(picture, (a, b, c, d))
    places = np.array([[x, y] for y in range(2) for x in range(3)]) @ turn.T
    places -= places.min(axis=0)
    for (x, y), value in zip(places, picture.reshape(-1, 3), strict=True):
        assert turned[y, x].tolist() == value.tolist()


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    def wide(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)

    (_, pixels), *_ = sampled(write_video(tmp_path / "a.mp4", clip(5), prepare=wide))
    assert pixels.shape == (48, 96, 3)
    assert shown_width(64, 1000.0) == 64, "an aspect that nobody records is not believed"


def test_limits_are_checked_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", clip(50))

    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("pipeline.video.file.Video._decoded", decode)
    assert code_of(path, VideoLimits(max_pixels=48 * 64 - 1)) == "video_too_large"
    assert code_of(path, VideoLimits(max_seconds=1.9)) == "video_too_large"
    assert code_of(path, VideoLimits(max_frames=49)) == "video_too_large"


def test_limits_hold_where_the_header_says_nothing_or_lies(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", clip(50), codec=LOSSLESS)
    assert code_of(path, VideoLimits(max_frames=49)) == "video_too_large"
    raw = tmp_path / "a.h264"
    with av.open(str(raw), "w", format="h264") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for picture in clip(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    assert len(sampled(raw)) == 10, "frames without times follow each other at the nominal rate"
    assert code_of(raw, VideoLimits(max_seconds=1.5)) == "video_too_large"


def test_frames_that_grow_in_the_middle_are_refused(tmp_path: Path) -> None:
    small, large = (write_video(tmp_path / f"{n}.ts", clip(25, hw)) for n, hw in enumerate([(48, 64), (480, 640)]))
    path = tmp_path / "a.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    assert code_of(path, VideoLimits(max_pixels=100_000)) in ("video_damaged", "video_too_large")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    assert code_of(write_sound(tmp_path / "a.mp4")) == "video_format"


def test_sound_beside_the_picture_does_no_harm(tmp_path: Path) -> None:
    assert len(sampled(write_video(tmp_path / "a.mp4", clip(), sound=True))) == 5


def test_what_is_no_video(tmp_path: Path) -> None:
    for name, content, code in [
        ("empty.mp4", b"", "video_damaged"),
        ("text.mp4", b"hello " * 1000, "video_format"),
        ("noise.mkv", np.random.default_rng(1).bytes(20_000), "video_format"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n", "video_format"),
        ("list.mov", b"ffconcat version 1.0\nfile other.mp4\n", "video_format"),
        (
            "session.mp4",
            b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
            "video_format",
        ),
    ]:
        (tmp_path / name).write_bytes(content)
        assert code_of(tmp_path / name) == code, name
    assert code_of(tmp_path / "nowhere.mp4") == "photo_not_found"
    (tmp_path / "folder.mp4").mkdir()
    assert code_of(tmp_path / "folder.mp4") == "photo_unreadable"
    os.mkfifo(tmp_path / "pipe.mp4")
    assert code_of(tmp_path / "pipe.mp4") == "photo_unreadable"


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", LOSSLESS), ("a.mp4", ("libx264", "yuv420p")), ("a.avi", ("mjpeg", "yuvj420p"))]
)
@pytest.mark.parametrize("part", [0.01, 0.3, 0.6])
def test_a_truncated_video_is_an_error(tmp_path: Path, name: str, codec: tuple[str, str], part: float) -> None:
    path = write_video(tmp_path / name, clip(75), codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    assert code_of(path) in ("video_damaged", "video_format")


def test_damage_anywhere_gives_frames_or_a_named_error(tmp_path: Path) -> None:
    """300 copies with some bytes changed, of three containers: nothing else comes out, and the same each time."""
    rng = np.random.default_rng(11)
    outcomes = set()
    for name, codec in [("a.mkv", LOSSLESS), ("a.mp4", ("libx264", "yuv420p")), ("a.avi", ("mpeg4", "yuv420p"))]:
        data = write_video(tmp_path / name, clip(20), codec=codec).read_bytes()
        for _ in range(100):
            broken = np.frombuffer(data, np.uint8).copy()
            where = rng.integers(0, min(len(data), 4096), rng.integers(1, 12))
            broken[where] = rng.integers(0, 256, len(where))
            path = tmp_path / f"broken{Path(name).suffix}"
            path.write_bytes(broken.tobytes())
            outcomes.add(outcome(path))
            if rng.random() < 0.1:
                assert outcome(path) == outcome(path)
    assert {kind for kind, _ in outcomes} >= {"ok", "video_damaged", "video_format"}


def outcome(path: Path) -> tuple[str, bytes]:
    """What reading it gives: a code, and the pixels."""
    try:
        frames = sampled(path, 40, VideoLimits(max_pixels=1_000_000, max_seconds=100, max_frames=200))
    except KnownfaceError as error:
        return error.code, b""
    return "ok", b"".join(pixels.tobytes() for _, pixels in frames)


def test_without_the_extra_a_video_is_a_row_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", clip(3))
    assert pipeline.extra.__file__
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PhotoError, match=r"knownface\[video\]") as caught:
        sampled(path)
    assert caught.value.code == "video_unsupported"
