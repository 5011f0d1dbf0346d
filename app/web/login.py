"""Logging in and out: plain pages in front of the app, so that a browser's password manager knows them.

The session's token travels in a cookie that scripts cannot read and other sites cannot send along.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from app.access import Actor
from app.web.login_page import page
from app.web.texts import LANGUAGES, preferred
from pipeline.errors import LoginRefusedError

if TYPE_CHECKING:
    from app.refusals import Refusals
    from app.web.guard import Guard
    from app.web.texts import English

PATHS = ("/login", "/login/provider", "/oauth2callback", "/logout")
Note = Callable[[Actor, str], None]
_MOST = 8192  # bytes of a form
_NONSENSE = (ValueError, KeyError, TypeError, AttributeError, RuntimeError)  # a provider's documents that are none
_NEXT = re.compile(r"/[a-z_]{0,40}")
_PLAIN = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff"}


def routes(guard: Guard, url: str, note: Note, refusals: Refusals) -> list[Route]:
    """The addresses in PATHS.

    Args:
        guard: Who knows users, provider and sessions.
        url: The address that people type, without a path; "" where it is what they asked for.
        note: Writes down who logged in or out.
        refusals: Writes down that somebody was refused.
    """
    desk = Desk(guard, url, note, refusals)
    handlers = (desk.login, desk.to_provider, desk.from_provider, desk.logout)
    methods = (["GET", "POST"], ["GET"], ["GET"], ["GET"])
    return [
        Route(path, handler, methods=allowed) for path, handler, allowed in zip(PATHS, handlers, methods, strict=True)
    ]


class Desk:
    """Answers the requests."""

    def __init__(self, guard: Guard, url: str, note: Note, refusals: Refusals) -> None:
        self._guard, self._url, self._note, self._refusals = guard, url, note, refusals
        self._client: Any = None
        self._hashing = CapacityLimiter(2)  # who guesses passwords waits for each other, not the page for them

    async def login(self, request: Request) -> Response:
        """The page; and, when it is sent back, the session."""
        from app.web.gate import host_allowed, same_site

        words = _words(request)
        if not host_allowed(request) or (request.method == "POST" and not same_site(request)):
            return self._page(words, request, words.login_elsewhere, 403)
        if request.method != "POST":  # HEAD is routed as GET is
            said = words.logged_out if "out" in request.query_params else ""
            return self._page(words, request, said, tone="info")
        form = await _form(request)
        try:
            name, password = form.get("user", ""), form.get("password", "")
            actor = await to_thread.run_sync(self._guard.users.log_in, name, password, limiter=self._hashing)
        except LoginRefusedError as error:
            await to_thread.run_sync(self._refusals.refused, "password", error)
            minutes = math.ceil(error.wait_s / 60)
            said = words.login_locked.format(minutes=minutes) if error.wait_s else words.login_wrong
            return self._page(words, request, said, 401, user=form.get("user", ""))
        return await self._enter(request, actor, local=True)

    async def to_provider(self, request: Request) -> Response:
        """Sends the browser to the provider."""
        from app.web.gate import host_allowed

        words = _words(request)
        if self._guard.provider is None or not host_allowed(request):
            return self._page(words, request, words.login_elsewhere, 403)
        from authlib.common.errors import AuthlibBaseError
        from httpx import HTTPError

        request.session["next"] = _next(request)
        back = f"{self._url or str(request.base_url).rstrip('/')}/oauth2callback"
        try:
            answer: Response = await self._provider().authorize_redirect(request, back)
        except (AuthlibBaseError, HTTPError, *_NONSENSE):  # the provider is not there, or is none
            return self._page(words, request, self._failed(words), 502)
        return answer

    async def from_provider(self, request: Request) -> Response:
        """The browser comes back: who it belongs to, and as what they may enter."""
        from authlib.common.errors import AuthlibBaseError
        from httpx import HTTPError
        from joserfc.errors import JoseError

        words, provider = _words(request), self._guard.provider
        if provider is None:
            return self._page(words, request, words.login_elsewhere, 403)
        try:
            token = await self._provider().authorize_access_token(request)
        except (AuthlibBaseError, JoseError, HTTPError, *_NONSENSE):
            await to_thread.run_sync(self._refusals.refused, "provider")
            return self._page(words, request, self._failed(words), 401)
        told = token.get("userinfo") or {}
        actor = provider.actor(told)
        if actor is None:
            await to_thread.run_sync(self._refusals.refused, "provider")
            name = str(told.get("email") or told.get("sub") or "")
            return self._page(words, request, words.login_no_role.format(name=name, provider=provider.name), 403)
        return await self._enter(request, actor, local=False)

    async def logout(self, request: Request) -> Response:
        """Ends the session, unless another site asked for it."""
        from app.web.gate import same_site

        if not same_site(request):
            return RedirectResponse("/", 303, headers=_PLAIN)
        token = request.cookies.get(self._guard.cookie)
        if token and self._guard.required() and (actor := self._guard.actor(token)) is not None:
            self._guard.sessions.close(token)
            await to_thread.run_sync(self._note, actor, "logout")
        answer = RedirectResponse("/login?out", 303, headers=_PLAIN)
        answer.delete_cookie(self._guard.cookie, path="/")
        return answer

    # --- inside -----------------------------------------------------------------------------------------------

    async def _enter(self, request: Request, actor: Actor, *, local: bool) -> Response:
        mark = await to_thread.run_sync(self._guard.users.mark_of, actor.name) if local else None
        token = self._guard.sessions.open(actor, mark=mark)
        await to_thread.run_sync(self._note, actor, "login")
        target = _next(request) if local else str(request.session.pop("next", "/"))
        answer = RedirectResponse(target, 303, headers=_PLAIN)
        secure = request.url.scheme == "https" or self._url.startswith("https://")
        answer.set_cookie(self._guard.cookie, token, path="/", httponly=True, samesite="lax", secure=secure)
        return answer

    def _provider(self) -> Any:
        """Authlib's client: it finds the provider's addresses and keys, and checks state, nonce and signature."""
        if self._client is None:
            from authlib.integrations.starlette_client import OAuth

            provider = self._guard.provider
            assert provider is not None  # noqa: S101 - the callers looked
            self._client = OAuth().register(
                "provider",
                client_id=provider.client_id,
                client_secret=provider.client_secret.get_secret_value(),
                server_metadata_url=provider.server_metadata_url,
                client_kwargs={"scope": provider.scope, "code_challenge_method": "S256"},
            )
        return self._client

    def _failed(self, words: English) -> str:
        return words.login_failed.format(provider=self._guard.provider.name if self._guard.provider else "")

    def _page(
        self, words: English, request: Request, said: str, status: int = 200, *, user: str = "", tone: str = "bad"
    ) -> Response:
        provider = self._guard.provider.name if self._guard.provider else ""
        body, policy = page(
            words,
            said=said,
            tone=tone,
            target=_next(request),
            user=user[:64],
            provider=provider,
            local=self._guard.users.any(),
        )
        return HTMLResponse(body, status, headers=_PLAIN | {"Content-Security-Policy": policy})


def _words(request: Request) -> English:
    return LANGUAGES[preferred(request.headers.get("accept-language"))]


def _next(request: Request) -> str:
    """The page to go to: one of ours, never another site's."""
    wanted = request.query_params.get("next", "")
    return wanted if _NEXT.fullmatch(wanted) else "/"


async def _form(request: Request) -> dict[str, str]:
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > _MOST:
            return {}
    try:
        fields = parse_qs(data.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    except ValueError:  # more fields than the page has
        return {}
    return {key: values[0] for key, values in fields.items()}
