"""A service with fakes as a process of its own: `python -m tests.api_child FOLDER PORT`.

While there is a file FOLDER/gate, looking at photos waits; FOLDER/entered says that something does.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from app.api.server import serve
from pipeline.images import Photo
from pipeline.recognizer import Recognizer
from pipeline.types import Detections
from tests import fakes
from tests.api_server import made_state

REPOSITORY = Path(__file__).resolve().parent.parent


class WaitingDetector(fakes.FakeDetector):
    """Waits while the gate is there, three minutes at most."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def detect_batch(self, photos: Sequence[Photo]) -> list[Detections]:
        until = time.monotonic() + 180
        while (self._folder / "gate").exists() and time.monotonic() < until:
            (self._folder / "entered").touch()
            time.sleep(0.01)
        return super().detect_batch(photos)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def child(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The process, once it can answer; it is killed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.api_child", str(folder), str(port)]
    with (folder / "log").open("ab") as log, subprocess.Popen(command, cwd=REPOSITORY, stderr=log) as process:
        try:
            until = time.monotonic() + 180
            while not _answers(port):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    place = Path(sys.argv[1])
    detector = WaitingDetector(place)
    serve(
        made_state(place, Recognizer(detector, None, fakes.FakeAligner(), fakes.FakeEmbedder())),
        "127.0.0.1",
        int(sys.argv[2]),
    )
