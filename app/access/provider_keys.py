"""The keys with which a provider of identities signs: fetched with limits, kept, fetched again when one is missing.

A key that the provider takes back counts here for ten minutes more at most; for an hour while the provider is away, so
that its short absences stop nobody. Whoever shows tokens with made-up keys makes us ask it every ten seconds at most.
"""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.access.oidc import Algorithm, is_safe
from pipeline.errors import ProviderError, TokenRefusedError

if TYPE_CHECKING:
    from httpx import AsyncClient
    from joserfc.jwk import Key

DEADLINE_S = 10.0  # for both documents together
_STEP_S, _MOST_BYTES, _MOST_KEYS = 5.0, 256 * 1024, 100
_FRESH_S, _STALE_S, _AGAIN_S = 600.0, 3600.0, 10.0
_RSA_BITS = range(2048, 8193)  # less is weak (NIST SP 800-131A), more is slow
_WELL_KNOWN = "/.well-known/openid-configuration"
_PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
#: Type of key and curve of each algorithm (RFC 7518, 3.1; RFC 9864).
_KINDS: dict[Algorithm, tuple[str, str]] = {
    "RS256": ("RSA", ""),
    "RS384": ("RSA", ""),
    "RS512": ("RSA", ""),
    "PS256": ("RSA", ""),
    "PS384": ("RSA", ""),
    "PS512": ("RSA", ""),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "Ed25519": ("OKP", "Ed25519"),
}


@dataclass(frozen=True, slots=True)
class _Published:
    """A public key, and what the provider says of it."""

    kid: str | None
    kind: tuple[str, str]
    alg: str | None
    key: Key


@dataclass(frozen=True, slots=True)
class _Held:
    issuer: str
    keys: tuple[_Published, ...]
    at: float

    def find(self, algorithm: Algorithm, kid: str | None) -> Key | None:
        """The one key that fits; a token that names none must leave no choice."""
        fitting = [
            one.key
            for one in self.keys
            if one.kind == _KINDS[algorithm] and one.alg in {None, algorithm} and (kid is None or one.kid == kid)
        ]
        return fitting[0] if len(fitting) == 1 else None


class ProviderKeys:
    """The keys of one provider. For one event loop.

    Args:
        url: Its discovery document.
        issuer: Who it has to be; "" for whoever that address belongs to.
        now: A clock that only goes forward, in seconds.
        deadline_s: How long an answer may take.
    """

    def __init__(
        self, url: str, issuer: str = "", *, now: Callable[[], float] = time.monotonic, deadline_s: float = DEADLINE_S
    ) -> None:
        self._url, self._issuer, self._now, self._deadline_s = url, issuer, now, deadline_s
        self._held: _Held | None = None
        self._failed: tuple[float, str] | None = None
        self._lock = asyncio.Lock()

    async def find(self, algorithm: Algorithm, kid: str | None) -> tuple[str, Key]:
        """The issuer, and the key of this name for this algorithm.

        Raises:
            ProviderError: The provider gives no usable answer.
            TokenRefusedError: It has no such key.
        """
        held = await self._current()
        key = held.find(algorithm, kid)
        if key is None and self._now() - held.at >= _AGAIN_S:
            held = await self._newer_than(held)
            key = held.find(algorithm, kid)
        if key is None:
            raise TokenRefusedError("the token is signed with a key that the provider does not have")
        return held.issuer, key

    async def _current(self) -> _Held:
        held, now = self._held, self._now()
        if held is not None and now - held.at < _FRESH_S:
            return held
        if held is None or now - held.at >= _STALE_S:
            return await self._newer_than(held)
        if self._lock.locked():  # somebody asks already
            return held
        try:
            return await self._newer_than(held)
        except ProviderError:
            return held

    async def _newer_than(self, held: _Held | None) -> _Held:
        """What the provider says now; many who ask at once ask it once, and after a failure nobody does for a while."""
        async with self._lock:
            if self._held is not None and self._held is not held:
                return self._held
            if self._failed is not None and self._now() - self._failed[0] < _AGAIN_S:
                raise ProviderError(self._failed[1])
            try:
                self._held = await self._fetch()
            except ProviderError as error:
                self._failed = (self._now(), error.message)
                raise
            self._failed = None
            return self._held

    async def _fetch(self) -> _Held:
        from httpx import AsyncClient, HTTPError, InvalidURL

        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            async with (
                asyncio.timeout(self._deadline_s),
                AsyncClient(timeout=_STEP_S, follow_redirects=False, headers=headers) as client,
            ):
                about = await _document(client, self._url, "discovery document")
                issuer = self._checked_issuer(about)
                place = about.get("jwks_uri")
                if not isinstance(place, str) or not is_safe(place):
                    raise ProviderError("the provider does not say, or not by https, where its keys are")
                listed = (await _document(client, place, "list of keys")).get("keys")
        except (HTTPError, InvalidURL, TimeoutError, OSError) as error:
            raise ProviderError("the provider of identities does not answer, or not in time: try again") from error
        if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
            raise ProviderError("the provider's list of keys is none, or has too many")
        keys = tuple(key for one in listed if (key := _published(one)) is not None)
        return _Held(issuer, keys, self._now())

    def _checked_issuer(self, about: Mapping[str, Any]) -> str:
        """Who the document says it is of (OpenID Connect Discovery 1.0, 4.3).

        Raises:
            ProviderError: Somebody else than who was asked.
        """
        issuer = about.get("issuer")
        fits = isinstance(issuer, str) and bool(issuer)
        if fits and self._issuer:
            fits = issuer == self._issuer
        elif fits and self._url.endswith(_WELL_KNOWN):
            fits = str(issuer).rstrip("/") == self._url.removesuffix(_WELL_KNOWN).rstrip("/")
        if not fits:
            raise ProviderError("the provider's discovery document is of another issuer: see `issuer` in oidc.toml")
        return str(issuer)


async def _document(client: AsyncClient, url: str, what: str) -> dict[str, Any]:
    data = b""
    async with client.stream("GET", url) as answer:
        if answer.status_code != 200 or answer.headers.get("content-encoding", "identity") != "identity":
            raise ProviderError(f"the provider answers {answer.status_code} and gives no {what}")
        async for part in answer.aiter_raw():
            data += part
            if len(data) > _MOST_BYTES:
                raise ProviderError(f"the provider's {what} is too large")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProviderError(f"the provider's {what} is no JSON") from error
    if not isinstance(found, dict):
        raise ProviderError(f"the provider's {what} is none")
    return found


def _published(one: Any) -> _Published | None:
    """A key for signing that we can use, of what is public of it; None for any other."""
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") not in tuple(_PUBLIC):
        return None
    operations, kid, alg = one.get("key_ops", ["verify"]), one.get("kid"), one.get("alg")
    if not isinstance(operations, list) or "verify" not in operations or not isinstance(kid, str | None):
        return None
    kind = (str(one["kty"]), "" if one["kty"] == "RSA" else str(one.get("crv")))
    if kind not in _KINDS.values():
        return None
    try:
        if kind[0] == "RSA" and _bits(one["n"]) not in _RSA_BITS:
            return None
        key = JWKRegistry.import_key({"kty": kind[0]} | {name: one[name] for name in _PUBLIC[kind[0]]})
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return _Published(kid, kind, alg if alg is None else str(alg), key)


def _bits(text: str) -> int:
    """Bits of a number in base64url."""
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4))).bit_length()
