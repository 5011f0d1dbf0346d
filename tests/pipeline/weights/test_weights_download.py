"""Downloads against a server on loopback that breaks in every way one has seen."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from weights_helpers import Site, ranged, running, sha, status, whole

from pipeline.errors import FetchError, HashMismatchError
from pipeline.weights.download import ATTEMPTS, download

DATA = np.random.default_rng(1).bytes(300_000)
CUT = 120_000


@pytest.fixture
def site() -> Iterator[Site]:
    with running(Site()) as site:
        yield site


def get(site: Site, target: Path, data: bytes = DATA, path: str = "/model.onnx") -> Path:
    return download(site.url + path, target, sha(data), len(data), pause_s=0.0)


def left_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_a_whole_file_arrives_and_nothing_else_is_left(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(DATA)]
    seen: list[tuple[str, int, int | None]] = []
    target = tmp_path / "model"
    url = site.url + "/model.onnx"
    assert download(url, target, sha(DATA), len(DATA), lambda *a: seen.append(a)) == target
    assert target.read_bytes() == DATA
    assert left_in(tmp_path) == {"model"}
    assert seen[-1] == ("model.onnx", len(DATA), len(DATA))
    assert [done for _, done, _ in seen] == sorted({done for _, done, _ in seen})


def test_a_file_that_is_there_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(DATA)]
    get(site, tmp_path / "model")
    get(site, tmp_path / "model")
    assert len(site.requests) == 1


def test_a_truncated_answer_is_taken_up_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(DATA, sent=CUT), ranged(DATA)]
    assert get(site, tmp_path / "model").read_bytes() == DATA
    assert "range" not in site.requests[0][1]
    second = site.requests[1][1]
    assert second["range"] == f"bytes={CUT}-"
    assert second["if-range"] == '"v1"'
    assert len(site.requests) == 2


def test_an_interrupted_download_goes_on_in_a_later_call(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(DATA, sent=CUT), status(503)]
    with pytest.raises(FetchError, match="503"):
        get(site, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert (tmp_path / "model.part").stat().st_size == CUT
    site.answers = [ranged(DATA)]
    before = len(site.requests)
    assert get(site, tmp_path / "model").read_bytes() == DATA
    assert [headers["range"] for _, headers in site.requests[before:]] == [f"bytes={CUT}-"]


def test_always_truncated_is_an_error_after_some_attempts(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(DATA, etag="", sent=CUT)]
    with pytest.raises(FetchError, match=r"only .* bytes came|connection failed") as caught:
        get(site, tmp_path / "model")
    assert len(site.requests) == ATTEMPTS
    assert not isinstance(caught.value, HashMismatchError)
    assert not (tmp_path / "model").exists()


def test_a_server_that_ignores_range_sends_it_all_again(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(DATA, sent=CUT), whole(DATA)]
    assert get(site, tmp_path / "model").read_bytes() == DATA
    assert site.requests[1][1]["range"] == f"bytes={CUT}-"


def test_a_file_that_changed_between_attempts_is_fetched_from_the_start(site: Site, tmp_path: Path) -> None:
    old = bytes(reversed(DATA))
    site.answers = [whole(old, etag='"old"', sent=CUT), ranged(DATA, etag='"new"')]
    assert get(site, tmp_path / "model").read_bytes() == DATA
    assert site.requests[1][1]["if-range"] == '"old"'


def test_without_a_validator_it_starts_again(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(DATA, etag='W/"weak"', sent=CUT), whole(DATA)]
    assert get(site, tmp_path / "model").read_bytes() == DATA
    assert "range" not in site.requests[1][1]


def test_a_range_that_was_not_asked_for_is_not_believed(site: Site, tmp_path: Path) -> None:
    def other_range(request: object) -> None:
        status(206, **{"Content-Range": f"bytes 7-{len(DATA) - 1}/{len(DATA)}"})(request)  # type: ignore[arg-type]

    site.answers = [whole(DATA, sent=CUT), other_range, whole(DATA)]
    assert get(site, tmp_path / "model").read_bytes() == DATA


def test_a_range_refused_starts_again(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(DATA, sent=CUT), status(416), whole(DATA)]
    assert get(site, tmp_path / "model").read_bytes() == DATA


def test_a_wrong_file_is_refused_and_removed(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(bytes(len(DATA)))]
    with pytest.raises(HashMismatchError, match="refused and removed"):
        get(site, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "model.part").exists()
    site.answers = [whole(DATA)]
    assert get(site, tmp_path / "model").read_bytes() == DATA


def test_a_wrong_file_already_there_is_removed(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(DATA)]
    (tmp_path / "model").write_bytes(b"something else")
    with pytest.raises(HashMismatchError):
        get(site, tmp_path / "model")
    assert get(site, tmp_path / "model").read_bytes() == DATA


def test_a_file_larger_than_promised_is_not_read_to_its_end(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(DATA + b"x" * 5_000_000)]
    with pytest.raises(FetchError, match="larger than"):
        get(site, tmp_path / "model")
    assert left_in(tmp_path) == set()


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_final(site: Site, tmp_path: Path, code: int) -> None:
    site.answers = [status(code)]
    with pytest.raises(FetchError, match=str(code)):
        get(site, tmp_path / "model")
    assert len(site.requests) == 1


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503])
def test_a_passing_failure_is_tried_again(site: Site, tmp_path: Path, code: int) -> None:
    site.answers = [status(code), status(code), whole(DATA)]
    assert get(site, tmp_path / "model").read_bytes() == DATA


def test_redirects_are_followed_on_this_machine(site: Site, tmp_path: Path) -> None:
    site.answers = [status(302, Location="/elsewhere"), whole(DATA)]
    assert get(site, tmp_path / "model").read_bytes() == DATA
    assert [path for path, _ in site.requests] == ["/model.onnx", "/elsewhere"]


def test_a_redirect_to_plain_http_elsewhere_is_refused(site: Site, tmp_path: Path) -> None:
    site.answers = [status(302, Location="http://example.invalid/model.onnx")]
    with pytest.raises(FetchError, match="not https"):
        get(site, tmp_path / "model")


def test_redirects_for_ever_end(site: Site, tmp_path: Path) -> None:
    site.answers = [status(302, Location="/again")]
    with pytest.raises(FetchError, match="redirects more than"):
        get(site, tmp_path / "model")


@pytest.mark.parametrize("url", ["http://example.invalid/m", "ftp://127.0.0.1/m", "file:///etc/passwd"])
def test_only_https_is_fetched(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="not https"):
        download(url, tmp_path / "model", sha(DATA), len(DATA))


def test_nobody_listens(tmp_path: Path) -> None:
    with running(Site()) as site:
        url = site.url
    with pytest.raises(FetchError, match="connection failed"):
        download(url + "/m", tmp_path / "model", sha(DATA), len(DATA), pause_s=0.0)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "without saying where to"),
        ({"Location": "javascript:1"}, "no address|not https"),
        ({"Location": "https://[::1"}, "no address|Invalid URL"),
        ({"Location": "http://\u00ff\u00ff:99999999/"}, "no address|not https"),
    ],
)
def test_a_redirect_to_nowhere_is_refused(site: Site, tmp_path: Path, headers: dict[str, str], says: str) -> None:
    site.answers = [status(302, **headers)]
    with pytest.raises(FetchError, match=says) as caught:
        get(site, tmp_path / "model")
    assert caught.value.message.isprintable()


def test_a_validator_that_cannot_be_sent_back_is_not_kept(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(DATA, etag='"\u00e4"', sent=CUT), whole(DATA)]
    assert get(site, tmp_path / "model").read_bytes() == DATA
    (tmp_path / "other.part").write_bytes(DATA[:CUT])
    (tmp_path / "other.part.json").write_text('{"validator": "\\u00e4"}')
    assert get(site, tmp_path / "other").read_bytes() == DATA
    assert not any("range" in headers for _, headers in site.requests)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", "socksio|proxy|connection failed"),
        ("ALL_PROXY", "foo://x", "proxy in the environment"),
        ("SSL_CERT_FILE", "/nonexistent.pem", "SSL_CERT_FILE=/nonexistent.pem"),
    ],
)
def test_a_wrong_environment_is_a_named_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    for other in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.lower(), raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(FetchError, match=says) as caught:
        download("https://example.invalid/m", tmp_path / "model", sha(DATA), len(DATA), pause_s=0.0)
    assert caught.value.message.isprintable()


def test_a_server_that_drips_is_left(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.weights.download.GRACE_S", 0.2)

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(DATA)))
        request.end_headers()
        with contextlib.suppress(OSError):
            for at in range(100):
                request.wfile.write(DATA[at : at + 1])
                time.sleep(0.05)

    site.answers = [drip]
    started = time.monotonic()
    with pytest.raises(FetchError, match="less than 1024 bytes a second"):
        get(site, tmp_path / "model")
    assert time.monotonic() - started < 3
