"""Downloads one file over https: resumable, limited, verified."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from pipeline.errors import FetchError
from pipeline.weights.files import Progress, check_hash

ATTEMPTS = 4
TIMEOUT = httpx.Timeout(30.0, connect=15.0)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_REDIRECTS = 5
#: A server that after `GRACE_S` seconds has sent less than this many bytes a second is left.
MIN_RATE, GRACE_S = 1024, 60.0


class _TryAgainError(Exception):
    """Something that may pass: a broken connection, a server error."""


def download(
    url: str, target: Path, sha256: str, size: int, progress: Progress | None = None, *, pause_s: float = 1.0
) -> Path:
    """Fetches `url` to `target`, unless it is there already.

    What an interrupted download left (`<target>.part`) is taken up with a Range request, also by a later call, provided
    the server says by its ETag or date that the file is still the same; otherwise it starts again.

    Args:
        url: https; http only for a server on this machine. The same holds for every redirect.
        target: Where the verified file is put.
        sha256: What it must have.
        size: Bytes it must have; also the limit on what is read.
        progress: Told about the bytes as they come.
        pause_s: Seconds before the second attempt, twice as long before each further one.

    Raises:
        FetchError: It could not be fetched; what came of it is kept for the next time.
        HashMismatchError: It is not the file that was promised; it was removed.
    """
    if target.is_file():
        check_hash(target, sha256, url)
        return target
    part = target.with_name(target.name + ".part")
    work = _Download(url, part, size, progress)
    for attempt in range(ATTEMPTS):
        try:
            with _client(url) as client:
                work.attempt(client)
            break
        except _TryAgainError as error:
            if attempt == ATTEMPTS - 1:
                raise FetchError(f"{url}: {error}; try again later, it goes on where it stopped") from error
            time.sleep(pause_s * 2**attempt)
    _marks(part).unlink(missing_ok=True)
    check_hash(part, sha256, url)
    return part.replace(target)


def _client(url: str) -> httpx.Client:
    """A client that goes through the proxy and trusts the certificates the environment names."""
    try:
        return httpx.Client(timeout=TIMEOUT, follow_redirects=False)
    except OSError as error:
        named = [f"{name}={os.environ[name]}" for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
        what = ", ".join(named) or "the certificates of this machine"
        raise FetchError(f"{url}: {what} cannot be read ({error.strerror or error})") from error
    except ImportError as error:
        raise FetchError(f"{url}: a SOCKS proxy (ALL_PROXY) needs `pip install socksio`, or unset it") from error
    except (ValueError, httpx.InvalidURL) as error:
        raise FetchError(
            f"{url}: the proxy in the environment (ALL_PROXY, HTTPS_PROXY) has no usable address"
        ) from error


@dataclass(frozen=True, slots=True)
class _Download:
    url: str
    part: Path
    size: int
    progress: Progress | None

    def attempt(self, client: httpx.Client) -> None:
        """Goes on with `part` if it can, and leaves there whatever came."""
        have, validator = _left_over(self.part)
        if have >= self.size:
            return
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": validator}
        try:
            response = self._send(client, headers)
            try:
                self._receive(response, have)
            finally:
                response.close()
        except (httpx.TransportError, httpx.StreamError) as error:
            raise _TryAgainError(f"the connection failed ({error or type(error).__name__})") from error

    def _send(self, client: httpx.Client, headers: Mapping[str, str]) -> httpx.Response:
        address = self._address(None, self.url)
        for _ in range(_REDIRECTS + 1):
            if address.scheme != "https" and not (address.scheme == "http" and address.host in _LOOPBACK):
                raise FetchError(f"{address}: is not https; refused")
            try:
                response = client.send(client.build_request("GET", address, headers=headers), stream=True)
            except (ValueError, httpx.InvalidURL) as error:  # httpx looks at where a redirect leads, followed or not
                raise FetchError(f"{self.url}: leads to what is no address; refused") from error
            if not response.is_redirect:
                return response
            location = response.headers.get("Location", "")
            response.close()
            address = self._address(address, location)
        raise FetchError(f"{self.url}: redirects more than {_REDIRECTS} times; refused")

    def _address(self, base: httpx.URL | None, location: str) -> httpx.URL:
        try:
            if location:
                return httpx.URL(location) if base is None else base.join(location)
        except (ValueError, httpx.InvalidURL) as error:
            raise FetchError(f"{self.url}: leads to {location[:80]!a}, which is no address; refused") from error
        raise FetchError(f"{self.url}: redirects without saying where to; refused")

    def _receive(self, response: httpx.Response, have: int) -> None:
        status = response.status_code
        if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            _forget(self.part)
            raise _TryAgainError("the server refuses to go on")
        if status >= 500 or status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS):
            raise _TryAgainError(f"the server answered {status}")
        if status not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise FetchError(f"{self.url}: the server answered {status} {response.reason_phrase}".rstrip())
        resumed = status == httpx.codes.PARTIAL_CONTENT
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            _forget(self.part)
            raise _TryAgainError("the server sent another part than was asked for")
        _remember(self.part, response.headers)
        self._save(response, have if resumed else 0)

    def _save(self, response: httpx.Response, done: int) -> None:
        name = self.url.rsplit("/", 1)[-1]
        started, before = time.monotonic(), done
        with self.part.open("ab" if done else "wb") as file:
            for chunk in response.iter_raw():
                done += len(chunk)
                seconds = time.monotonic() - started
                if seconds > GRACE_S and done - before < seconds * MIN_RATE:
                    raise FetchError(f"{self.url}: sends less than {MIN_RATE} bytes a second; try again later")
                if done > self.size:
                    break
                file.write(chunk)
                if self.progress:
                    self.progress(name, done, self.size)
        if done > self.size:
            _forget(self.part)
            raise FetchError(f"{self.url}: is larger than the {self.size} bytes expected; refused and removed")
        if done < self.size:
            raise _TryAgainError(f"only {done} of {self.size} bytes came")


def _marks(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _left_over(part: Path) -> tuple[int, str]:
    """Bytes that an earlier attempt left and the validator they belong to; (0, "") if they are of no use."""
    try:
        validator = json.loads(_marks(part).read_text(encoding="utf-8"))["validator"]
        have = part.stat().st_size
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0, ""
    return (have, validator) if have and isinstance(validator, str) and _usable(validator) else (0, "")


def _usable(validator: str) -> bool:
    """Whether it can be sent back as it came."""
    return bool(validator) and validator.isascii() and validator.isprintable()


def _remember(part: Path, headers: Mapping[str, str]) -> None:
    """Keeps what tells whether the file is still the same: a strong ETag, or else the date of its last change."""
    tag = headers.get("ETag", "")
    validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
    _marks(part).write_text(json.dumps({"validator": validator if _usable(validator) else ""}), encoding="utf-8")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _marks(part).unlink(missing_ok=True)
