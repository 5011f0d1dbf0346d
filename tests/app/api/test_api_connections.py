"""Connections that only stay open: none of them keeps others out, and none stays for ever."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.api.connections import limited, most_connections
from app.api.state import Limits, State
from tests.api_server import made_state
from tests.loopback import serving

SOON = {"head_s": 0.3, "answer_s": 0.3, "body_s": 0.3}


@pytest.fixture
def port(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    state: State = made_state(tmp_path, **getattr(request, "param", SOON))
    with serving(state, http=limited(state.limits)) as address:
        yield int(address.rpartition(":")[2])


def said(port: int, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """What comes back until the other side hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        try:
            for part in parts:
                one.sendall(part)
                time.sleep(pause_s)
            return b"".join(iter(lambda: one.recv(65536), b""))
        except (ConnectionResetError, BrokenPipeError):
            return b""


def head(port: int, method: str = "GET", path: str = "/v1/me", *more: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *more, "", ""]).encode()


def test_who_asks_for_nothing_or_never_ends_a_head_is_hung_up_on(port: int) -> None:
    assert said(port) == b""
    assert said(port, b"GET /v1/me HTTP/1.1\r\n", *[b"X: a\r\n"] * 20, pause_s=0.1) == b""  # each part in time
    answer = said(port, head(port), b"GET /v1", pause_s=0.05)  # after an answer too
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("port", [{"body_s": 0.3}], indirect=True)
def test_a_body_has_to_come_at_some_pace(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(head(port, "POST", "/v1/runs", "Content-Type: application/json", "Content-Length: 900"))
        one.settimeout(0.05)
        answer = b""
        for _ in range(200):  # no silence is longer than 0.05 s
            one.sendall(b" ")
            with suppress(TimeoutError):
                answer += one.recv(65536)
            if b"body_slow" in answer:
                return
        raise AssertionError(answer)


def test_who_does_not_read_an_answer_is_hung_up_on(port: int) -> None:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(20)
        one.connect(("127.0.0.1", port))
        asked = head(port, "GET", "/openapi.json") * 10  # an answer of 100 kB and more each
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            _send_on(one, asked)


def _send_on(one: socket.socket, asked: bytes) -> None:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        with suppress(TimeoutError):
            one.settimeout(0.2)
            one.sendall(asked)


@pytest.mark.parametrize("port", [{"head_s": 30.0, "connections": 5}], indirect=True)
def test_the_oldest_that_asks_for_nothing_makes_room(port: int) -> None:
    idle = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(5)]
    assert said(port, head(port, "GET", "/v1/me", "Connection: close")).startswith(b"HTTP/1.1 200")
    assert idle[0].recv(1) == b""
    for one in idle:
        one.close()


@pytest.mark.parametrize("port", [{}], indirect=True)
def test_a_body_with_two_ends_is_refused(port: int) -> None:
    """A proxy that goes by Content-Length would take what follows for another's request."""
    two = head(port, "POST", "/v1/runs", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n"
    answer = said(port, two + head(port))
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sets no such limit")
def test_the_system_says_how_many_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    assert most_connections(Limits(connections=7)) == 7
    for files, there_may_be in ((10, 64), (1024, 768), (1_048_576, 65_536), (resource.RLIM_INFINITY, 65_536)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert most_connections(Limits()) == there_may_be, files
