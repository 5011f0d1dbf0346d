"""Cameras and streams: the newest frame, new connections, and no secret in a message. All on the loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import StreamError
from pipeline.video import VideoLimits
from pipeline.video.live import LiveFrames
from pipeline.video.live_source import LiveSource, without_secrets
from tests.videos import write_sound, write_video

LONG_S = 20.0  # for what comes at once; only a failure waits for so long


@pytest.fixture(scope="module")
def stream_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of MPEG-TS: frame n is 10 n bright."""
    frames = [np.full((48, 64, 3), 10 * (number % 25), np.uint8) for number in range(50)]
    return write_video(tmp_path_factory.mktemp("stream") / "a.ts", frames)


@contextmanager
def serving(answer: Callable[[int], bytes], status: int = 200) -> Iterator[str]:
    """A server that answers the n-th request with these bytes and then closes; yields its host and port."""
    asked = iter(range(1_000_000))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            self.wfile.write(answer(next(asked)))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def frames_of(source: str, told: Callable[[str], None] = lambda _: None) -> LiveFrames:
    return LiveFrames(LiveSource.of(source), told=told, first_wait_s=0.01, timeout_s=5)


def test_a_file_is_played_at_its_own_speed_and_once(tmp_path: Path) -> None:
    pictures = [np.full((48, 64, 3), 20 * number, np.uint8) for number in range(10)]
    path = write_video(tmp_path / "a.mp4", pictures, rate=10)
    seen, times = list[int](), list[float]()

    def play(frames: LiveFrames) -> None:
        while taken := frames.take(LONG_S):
            times.append(taken[0])
            seen.append(round(float(taken[1].pixels().mean()) / 20))

    began = time.monotonic()
    with frames_of(str(path)) as frames, pytest.raises(EOFError):
        play(frames)
    assert seen == sorted(set(seen))
    assert seen[-1] == 9
    assert times[-1] - began >= 0.95 * 0.1 * seen[-1], "not faster than it is"


def test_frames_that_nobody_takes_are_dropped(stream_file: Path) -> None:
    data = stream_file.read_bytes()
    with serving(lambda _: data) as host, frames_of(f"http://{host}/a.ts") as frames:
        assert frames.take(LONG_S) is not None
        until = time.monotonic() + LONG_S
        while frames.dropped < 150 and time.monotonic() < until:
            time.sleep(0.01)
        assert frames.dropped >= 150, "three times the stream went by, and memory holds one frame"
        taken = frames.take(LONG_S)
        assert taken is not None
        assert taken[1].image_hw == (48, 64)


def test_a_stream_that_ends_is_connected_anew(stream_file: Path) -> None:
    data, notes = stream_file.read_bytes(), list[str]()
    with (
        serving(lambda _: data) as host,
        frames_of(f"http://user:geheim@{host}/a.ts?token=abc", notes.append) as frames,
    ):
        until = time.monotonic() + LONG_S
        while frames.connections < 3 and time.monotonic() < until:
            frames.take(0.1)
    assert frames.connections >= 3
    assert notes[0].startswith(f"http://{host}/a.ts: ")
    assert notes[0].endswith("; trying again in 0.01 s")
    assert "geheim" not in "".join(notes)


def test_a_stream_that_breaks_for_a_while_is_found_again(stream_file: Path) -> None:
    data, notes = stream_file.read_bytes(), list[str]()
    with serving(lambda number: b"" if 1 <= number <= 3 else data) as host:  # noqa: SIM117
        with frames_of(f"http://{host}/a.ts", notes.append) as frames:
            until = time.monotonic() + LONG_S
            while frames.connections < 2 and time.monotonic() < until:
                frames.take(0.1)
    assert frames.connections >= 2
    waits = [float(note.rsplit(" ", 2)[1]) for note in notes[:4]]
    assert waits == [0.01, 0.01, 0.02, 0.04], "each attempt that fails doubles the wait"


@pytest.mark.parametrize("url", ["rtsp://admin:geheim@{}/live?token=abc", "http://admin:geheim@{}/live?token=abc"])
def test_what_cannot_be_opened_is_an_error_without_secrets(url: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        notes: list[str] = []
        with frames_of(url.format(host), notes.append) as frames, pytest.raises(StreamError, match="refused") as caught:
            frames.take(LONG_S)
    said = caught.value.message + "".join(notes)
    assert f"{host}/live: " in said
    assert len(notes) == 2
    assert not any(secret in said for secret in ("admin", "geheim", "token", "abc"))


def test_a_refusal_of_the_server_is_said(stream_file: Path) -> None:
    with (
        serving(lambda _: b"", status=401) as host,
        frames_of(f"http://a:geheim@{host}/x") as frames,
        pytest.raises(StreamError, match="401") as caught,
    ):
        frames.take(LONG_S)
    assert "geheim" not in caught.value.message


def test_a_file_that_is_none_and_one_without_a_picture(tmp_path: Path) -> None:
    (tmp_path / "list.mp4").write_bytes(b"#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n")
    for path in (tmp_path / "nowhere.mp4", tmp_path / "list.mp4", write_sound(tmp_path / "a.mp4")):
        with frames_of(str(path)) as frames, pytest.raises(StreamError, match="cannot be opened"):
            frames.take(LONG_S)


def test_frames_over_the_limit_are_refused(stream_file: Path) -> None:
    source = LiveSource.of(str(stream_file))
    with LiveFrames(source, VideoLimits(max_pixels=3000)) as frames, pytest.raises(StreamError, match="3000 pixels"):
        frames.take(LONG_S)


def test_it_ends_at_once_when_it_is_left(stream_file: Path) -> None:
    with frames_of(str(stream_file)) as frames:
        frames.take(LONG_S)
    assert not any(thread.name == "camera" and thread.is_alive() for thread in threading.enumerate())


def test_what_a_source_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert LiveSource.of("1") == LiveSource("camera 1", "/dev/video1", "v4l2", live=True)
    assert LiveSource.of("film.mp4") == LiveSource("film.mp4", "film.mp4", None, live=False)
    assert LiveSource.of("file:///a b.mp4").url == "/a b.mp4"
    monkeypatch.setattr("sys.platform", "darwin")
    assert LiveSource.of("0").format == "avfoundation"
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(StreamError, match="URL"):
        LiveSource.of("0")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://u:p@10.0.0.7:554/live/1?x=secret#y", "rtsp://10.0.0.7:554/live/1"),
        ("rtsp://u:p@[fe80::1]:554/x", "rtsp://[fe80::1]:554/x"),
        ("http://camera/a.ts", "http://camera/a.ts"),
        ("rtsp://u:p@host:notaport/x", "rtsp://…"),
        ("rtsp://u:p/w@host/x", "rtsp://…"),
        ("rtsp://u:12/w@host/x", "rtsp://…"),
    ],
)
def test_nothing_secret_is_left_of_a_url(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
