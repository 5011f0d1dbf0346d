"""How a server is reached, for both clients."""

from __future__ import annotations

from typing import Any

import httpx

from pipeline.errors import ConfigError
from pipeline.version import __version__

_CONNECT_S = 10.0


def options(url: str, key: str | None, timeout_s: float) -> dict[str, Any]:
    """What httpx is told.

    Args:
        url: Where the server is.
        key: An API key, None for none.
        timeout_s: Longest silence of the server.

    Raises:
        ConfigError: It is no address, or the key has characters that no key has.
    """
    refused = ConfigError(f"{url!r} is no address: give one such as https://faces.example.org")
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise refused from error
    named = base.scheme in {"http", "https"} and base.host and "%" not in base.host
    if not named or not 1 <= (base.port or 1) <= 65535 or base.query or base.fragment or base.userinfo:
        raise refused
    headers = {"Accept": "application/json", "User-Agent": f"knownface/{__version__}"}
    if key is not None:
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigError("the API key has characters that no key has: give it as `knownface users key add` said")
        headers["Authorization"] = f"Bearer {key}"
    timeout = httpx.Timeout(timeout_s, connect=_CONNECT_S)
    return {"base_url": base, "headers": headers, "timeout": timeout, "follow_redirects": False}
