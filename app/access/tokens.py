"""Bearer tokens: JSON Web Tokens (RFC 7519) that a provider of identities has signed for a program or a person.

Looked at by RFC 8725 and RFC 9068: an algorithm with a key of the provider's own, its signature, who issued the token,
whom it is meant for, and from when until when it counts. Nothing of a token stands in an error or in the log.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from app.access import oidc
from app.access.oidc import Algorithm, Provider
from app.access.provider_keys import DEADLINE_S, ProviderKeys
from app.access.roles import Actor
from pipeline.errors import NotAllowedError, TokenRefusedError

LEEWAY_S = 30.0  # that clocks may differ
_LONGEST = 8192
_LATEST_S = 253402300800.0  # the year 10000
_TYPES = {"jwt", "at+jwt", "application/at+jwt", "application/jwt"}  # and not, say, a logout token


class Tokens:
    """Who shows which token. Safe to share between threads; `actor` is for one event loop.

    Args:
        home: The data folder; `oidc.toml` in it is read again when it changes.
        now: The clock, in seconds since 1970.
        forward: A clock that only goes forward, in seconds.
        deadline_s: How long the provider may take to answer.
    """

    def __init__(
        self,
        home: Path,
        now: Callable[[], float] = time.time,
        *,
        forward: Callable[[], float] = time.monotonic,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._home, self._now, self._forward, self._deadline_s = home, now, forward, deadline_s
        self._seen: tuple[object, ...] | None = None
        self._with: tuple[Provider, ProviderKeys] | None = None
        self._reading = threading.Lock()
        self._salt = secrets.token_bytes(16)

    def accepted(self) -> bool:
        """Whether tokens are taken at all.

        Raises:
            ConfigError: `oidc.toml` cannot be used.
        """
        return self._provider() is not None

    async def actor(self, shown: str) -> tuple[str, Actor]:
        """What the log calls whoever shows a token, while this server runs; and who it is.

        Raises:
            TokenRefusedError: It does not count.
            NotAllowedError: It does, and whoever it is of has no role here.
            ProviderError: Whether it counts cannot be found out.
            ConfigError: `oidc.toml` cannot be used.
        """
        known = self._provider()
        if known is None:
            raise TokenRefusedError("no tokens are taken here: show an API key")
        provider, keys = known
        algorithm, kid = _header(shown, provider)
        issuer, key = await keys.find(algorithm, kid)
        told = _verified(shown, key, algorithm)
        self._check(told, issuer, provider)
        actor = provider.actor(told)
        if actor is None:
            raise NotAllowedError("whoever this token is of has no role here: see `oidc.toml`")
        name = hmac.new(self._salt, f"{issuer} {told['sub']}".encode("utf-8", "surrogatepass"), sha256).hexdigest()
        return f"token-{name[:12]}", actor

    def _provider(self) -> tuple[Provider, ProviderKeys] | None:
        """The provider, where it is one for programs, with the keys that are known of it."""
        seen = _mark(self._home / "oidc.toml")
        with self._reading:
            if seen != self._seen:
                found = oidc.load(self._home)
                self._with = None
                if found is not None and found.audience:
                    url, issuer = found.server_metadata_url, found.issuer
                    keys = ProviderKeys(url, issuer, now=self._forward, deadline_s=self._deadline_s)
                    self._with = found, keys
                self._seen = seen
            return self._with

    def _check(self, told: Mapping[str, Any], issuer: str, provider: Provider) -> None:
        now = self._now()
        audience = told.get("aud")
        meant = audience if isinstance(audience, list) else [audience]
        if told.get("iss") != issuer:
            raise TokenRefusedError("the token is of another issuer")
        if not any(isinstance(one, str) and one in provider.audience for one in meant):
            raise TokenRefusedError("the token is meant for another server: see `audience` in oidc.toml")
        if not isinstance(told.get("sub"), str) or not told["sub"]:
            raise TokenRefusedError("the token does not say whose it is")
        if _time(told, "exp", needed=True) <= now - LEEWAY_S:
            raise TokenRefusedError("the token has ended: get a new one")
        if max(_time(told, "nbf"), _time(told, "iat")) > now + LEEWAY_S:
            raise TokenRefusedError("the token does not count yet: do the clocks agree?")


def _header(shown: str, provider: Provider) -> tuple[Algorithm, str | None]:
    """How a token says that it is signed, before anything of that is believed."""
    from joserfc import jws
    from joserfc.errors import JoseError

    refused = TokenRefusedError("this is no token that can be read")
    if len(shown) > _LONGEST or not shown.isascii():
        raise refused
    try:
        header = jws.extract_compact(shown.encode()).protected
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise refused from error
    kind, kid, algorithm = header.get("typ", "jwt"), header.get("kid"), header.get("alg")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or not isinstance(kid, str | None):
        raise refused
    if algorithm not in provider.algorithms:
        raise TokenRefusedError("the token is not signed in a way that counts here: see `algorithms` in oidc.toml")
    return cast("Algorithm", algorithm), kid


def _verified(shown: str, key: Any, algorithm: Algorithm) -> Mapping[str, Any]:
    """What a token says, whose signature fits."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jws import JWSRegistry

    # Headers that it does not know are passed over, unless `crit` names them.
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        return jwt.decode(shown, key, registry=registry).claims
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise TokenRefusedError("the token's signature does not fit") from error


def _time(told: Mapping[str, Any], name: str, *, needed: bool = False) -> float:
    """A time of a token in seconds since 1970; where it may be missing, 0."""
    value = told.get(name)
    if value is None and not needed:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LATEST_S:
        raise TokenRefusedError(f"the token has no usable time `{name}`")
    return float(value)


def _mark(file: Path) -> tuple[object, ...]:
    """What changes with a file; for one that is not there too."""
    try:
        found = file.stat()
    except OSError as error:
        return (error.errno,)
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode
