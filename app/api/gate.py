"""In front of every address: who may pass, how often, and how much they may bring; all before a body is read."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from functools import partial
from urllib.parse import unquote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access import LOCAL, Actor
from app.access.peer import is_another_account
from app.api import problems
from app.api.problems import RefusedError
from app.api.state import State
from app.refusals import Way
from pipeline.errors import KeyRefusedError, KnownfaceError, NotAllowedError, TokenRefusedError

_OPEN = {"/healthz", "/readyz", "/openapi.json"}
#: A subject may be called "zip" or "samples": what brings many bytes is told by the whole address.
_ZIP = re.compile(r"/v1/runs/[^/]+/zip")
_PHOTOS = re.compile(r"/v1/(verify|identify|subjects/[^/]+/samples)")
_VIDEO = re.compile(r"/v1/challenges/[^/]+/video")
_BURST_S = 10.0  # seconds' worth of requests that may come at once
_MOST = 10_000  # callers whose pace is remembered
#: Stands for a slash that is part of a name. It cannot be printed, so no name has it.
SLASH = "\x1f"


class Pace:
    """How often each caller may ask: a bucket that fills by the minute's rate.

    Args:
        per_minute: Requests; 0 for any number.
    """

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60.0
        self._depth = max(1.0, self._rate * _BURST_S)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, now: float) -> float:
        """Seconds to wait before the next request; 0 where this one may pass."""
        if not self._rate:
            return 0.0
        left, at = self._left.pop(caller, (self._depth, now))
        left = min(self._depth, left + (now - at) * self._rate)
        passes = left >= 1.0
        self._left[caller] = (left - 1.0 if passes else left, now)
        while len(self._left) > _MOST:
            self._left.popitem(last=False)
        return 0.0 if passes else (1.0 - left) / self._rate


class Gate:
    """ASGI middleware.

    Args:
        app: What stands behind it.
        state: Of the server.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app, self._state = app, state
        self._pace = Pace(state.limits.per_minute)
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request pass, or answers it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 4404})
            return
        _keep_slashes(scope)
        request = HTTPConnection(scope)
        try:
            _require_one_length(request)
            if scope["path"] not in _OPEN:
                scope["actor"] = await self._who(request)
            await self._pass(scope, receive, send, self._most(scope))
        except RefusedError as refusal:
            again = problems.answer(refusal.code, refusal.detail, scope["request_id"], refusal.retry_s)
            if refusal.code == "body_unreadable":
                again.headers["Connection"] = "close"
            await again(scope, receive, send)
        except KnownfaceError as error:
            await problems.of_error(error, scope["request_id"])(scope, receive, send)

    async def _who(self, request: HTTPConnection) -> Actor:
        """Who asks.

        Raises:
            KeyRefusedError: The key is not known, or has ended.
            TokenRefusedError, NotAllowedError, ProviderError: As `Tokens.actor`.
            RefusedError: There is none, it comes from another site, or too often.
        """
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        host = request.client.host if request.client else ""
        try:
            if scheme.lower() == "bearer" and shown.strip():
                request.scope["key_id"], actor = await self._bearer(shown.strip())
                request.scope["still"] = partial(self._still, shown.strip())
                caller = request.scope["key_id"]
            elif await run_in_threadpool(self._state.open_to_all):
                self._require_own(request)
                if await run_in_threadpool(is_another_account, request.client, request.scope.get("server")):
                    raise RefusedError(
                        "key_needed", "without keys this server answers to the account that runs it, and to no other"
                    )
                actor, caller = LOCAL, host
            else:
                raise RefusedError(
                    "key_needed", "send `Authorization: Bearer KEY`; `knownface users key add NAME` makes a key"
                )
        except (KnownfaceError, RefusedError) as error:
            if isinstance(error, KeyRefusedError | TokenRefusedError | NotAllowedError):
                way: Way = "key" if isinstance(error, KeyRefusedError) else "provider"
                await run_in_threadpool(self._state.refusals.refused, way, error)
            self._wait(f"refused {host}")
            raise
        self._wait(caller)
        return actor

    async def _bearer(self, shown: str) -> tuple[str, Actor]:
        """Who shows a key, or a token of the provider; and what the log calls it."""
        if shown.count(".") == 2 and await run_in_threadpool(self._state.tokens.accepted):  # no key has a dot
            return await self._state.tokens.actor(shown)
        key, actor = await run_in_threadpool(self._state.keys.actor, shown)
        return key.id, actor

    async def _still(self, shown: str) -> bool:
        """Whether who shows this is let in even now: what lasts for long asks now and then."""
        try:
            await self._bearer(shown)
        except (KeyRefusedError, TokenRefusedError, NotAllowedError):
            return False
        except KnownfaceError:  # the provider is away, for instance: who came in stays until it answers
            return True
        return True

    def _wait(self, caller: str) -> None:
        if wait := self._pace.take(caller, time.monotonic()):
            raise RefusedError("rate_limited", f"too many requests: go on in {max(1, round(wait))} s", wait)

    def _require_own(self, request: HTTPConnection) -> None:
        """Refuses what a browser sends for another site, or by a name that was made to lead here (DNS rebinding)."""
        asked, origin = request.headers.get("host", ""), request.headers.get("origin")
        try:
            name = urlsplit(f"//{asked}").hostname
            from_here = origin is None or urlsplit(origin).netloc == asked
        except ValueError:
            name, from_here = None, False
        site = request.headers.get("sec-fetch-site", "none")
        if name not in self._state.names or not from_here or site not in {"none", "same-origin"}:
            raise RefusedError("host_refused", "this server answers to this machine, and not to pages of other sites")

    def _most(self, scope: Scope) -> int:
        limits = self._state.limits
        if _brings(scope, _ZIP):
            return limits.zip_bytes
        if _brings(scope, _VIDEO):
            return limits.video_bytes
        return limits.photo_bytes if _brings(scope, _PHOTOS) else limits.other_bytes

    async def _pass(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        """Hands a request on; its body is counted, and timed, while it comes."""
        size, done, kept = 0, False, not _brings(scope, _ZIP)  # a zip goes to the disk
        waited, limits = 0.0, self._state.limits
        claimed = HTTPConnection(scope).headers.get("content-length", "")
        if claimed.isascii() and claimed.isdecimal() and int(claimed) > most:
            raise _too_large(most)

        async def counted() -> Message:
            nonlocal size, done, waited
            if done:
                return await receive()
            left, asked = limits.body_s + size / limits.body_rate - waited, time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, min(limits.body_s, left)))
            except TimeoutError as error:
                raise RefusedError("body_slow", "the body came too slowly: send it again") from error
            waited += time.monotonic() - asked
            part = len(message.get("body", b""))
            size += part
            self._held += part if kept else 0
            done = not message.get("more_body", False)
            if size > most:
                raise _too_large(most)
            if self._held > limits.together_bytes:
                raise RefusedError("overloaded", "too many photos are on their way: try again", 1.0)
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= size if kept else 0


def _brings(scope: Scope, what: re.Pattern[str]) -> bool:
    return scope["method"] == "POST" and what.fullmatch(scope["path"]) is not None


def _too_large(most: int) -> RefusedError:
    return RefusedError("body_too_large", f"at most {most / 2**20:.0f} MB at once: send fewer or smaller files")


def _require_one_length(request: HTTPConnection) -> None:
    """Refuses a body with two ends (RFC 9112, 6.1): a proxy in front may go by the other one, and be out of step."""
    if "content-length" in request.headers and "transfer-encoding" in request.headers:
        raise RefusedError("body_unreadable", "give Content-Length or Transfer-Encoding, not both")


def _keep_slashes(scope: Scope) -> None:
    """A name may have a slash, which is sent as %2F: it must not become one that parts the address."""
    raw = scope.get("raw_path") or b""
    if b"%2f" in raw.lower():
        parts = raw.partition(b"?")[0].decode("latin-1").split("/")
        scope["path"] = "/".join(unquote(part).replace("/", SLASH) for part in parts)
