"""Bodies that come in pieces over a real connection: counted, timed, and given up when the client goes."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from app.api.routes import runs
from tests.api_over_http import Talk, listening
from tests.api_server import made_state

_FORM = "Content-Type: multipart/form-data; boundary=x"
_HEAD = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a.png"\r\n\r\n'
_CHUNKED = "Transfer-Encoding: chunked"


def pour(talk: Talk, most: int) -> int:
    """Sends pieces of 16 KiB until the server has enough; returns how many bytes it took."""
    sent = 0
    with suppress(OSError):
        while sent < most:
            talk.chunk(bytes(16384))
            sent += 16384
            time.sleep(0.001)
    return sent


@pytest.mark.parametrize(
    ("method", "path", "kind", "limit"),
    [
        ("POST", "/v1/identify", _FORM, 413),
        ("POST", "/v1/subjects/Ada/merge", "Content-Type: application/json", 413),
        ("POST", "/v1/runs/summer/zip", "Content-Type: application/zip", 413),
    ],
)
def test_a_body_without_a_length_is_counted(tmp_path: Path, method: str, path: str, kind: str, limit: int) -> None:
    state = made_state(tmp_path, photo_bytes=100_000, zip_bytes=100_000, other_bytes=50_000)
    with listening(state) as port:
        talk = Talk(port)
        talk.begin(method, path, kind, _CHUNKED)
        talk.chunk(_HEAD)
        pour(talk, 300_000)
        assert talk.status() == limit
        talk.close()
        assert list(state.services.settings.home.glob("runs/*")) == []


def test_a_body_that_stops_is_not_waited_for(tmp_path: Path) -> None:
    with listening(made_state(tmp_path, body_s=0.2)) as port:
        for headers in ((_FORM, _CHUNKED), (_FORM, "Content-Length: 5000")):
            talk = Talk(port)
            talk.begin("POST", "/v1/identify", *headers)
            assert talk.status() == 408
            talk.close()


def test_a_client_that_goes_in_the_middle_of_a_zip_gives_the_place_back(tmp_path: Path) -> None:
    state = made_state(tmp_path)
    with listening(state) as port:
        talk = Talk(port)
        talk.begin("POST", "/v1/runs/one/zip", "Content-Type: application/zip", _CHUNKED)
        talk.chunk(bytes(1000))
        while not runs._ONE_ZIP.locked():
            time.sleep(0.01)
        other = Talk(port)
        other.begin("POST", "/v1/runs/two/zip", "Content-Type: application/zip", "Content-Length: 3")
        other.socket.sendall(b"abc")
        assert other.status() == 503
        other.close()
        talk.close()
        while runs._ONE_ZIP.locked():
            time.sleep(0.01)
        again = Talk(port)
        again.begin("POST", "/v1/runs/two/zip", "Content-Type: application/zip", "Content-Length: 3")
        again.socket.sendall(b"abc")
        assert again.status() == 422
        again.close()


def test_both_a_length_and_pieces_is_no_way_to_smuggle(tmp_path: Path) -> None:
    with listening(made_state(tmp_path)) as port:
        talk = Talk(port)
        talk.begin("POST", "/v1/identify", _FORM, "Content-Length: 5", _CHUNKED)
        talk.socket.sendall(b"0\r\n\r\nGET /v1/subjects HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert talk.status() >= 400
        talk.close()
