"""In front of everything that the server answers: who has not logged in gets the page for that, and nothing else."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import URL, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from app.access.peer import is_another_account
from app.web.guard import Guard
from app.web.login import PATHS

_OPEN = {*PATHS, "/_stcore/health"}
#: Of Streamlit's own addresses: a browser that asks for one of them cannot follow to a page.
_PARTS = ("/_stcore/", "/media/", "/component/", "/auth/")
#: Streamlit's own scripts and styles, the same for everybody: a page whose session has ended needs them to say so.
_PUBLIC = "/static/"


class Gate:
    """ASGI middleware.

    Args:
        app: What stands behind it.
        guard: Who knows the sessions.
    """

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request pass, or answers it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refused = self._refuse(HTTPConnection(scope))
        if refused is None:
            await self._app(scope, receive, _unframed(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401})  # before it was accepted: an answer of 403
        else:
            await refused(scope, receive, send)

    def _refuse(self, request: HTTPConnection) -> Response | None:
        """The answer to who may not pass; None for who may."""
        if not self._guard.required() and is_another_account(request.client, request.scope.get("server")):
            return PlainTextResponse("This page belongs to another account of this machine", 403)
        path = str(request.scope["path"])  # that which is routed; a URL would be made with the Host header
        if path == "/_stcore/stream" and not same_site(request):
            return PlainTextResponse("Forbidden", 403)
        if path in _OPEN or (path.startswith(_PUBLIC) and request.scope.get("method") == "GET"):
            return None
        used = path.startswith(("/_stcore/stream", "/_stcore/upload_file"))
        if self._guard.actor(request.cookies.get(self._guard.cookie), use=used) is not None:
            return None
        if path.startswith(_PARTS) or request.scope.get("method") != "GET":
            return PlainTextResponse("Log in first", 401)
        target = URL("/login") if path == "/" else URL("/login").include_query_params(next=path)
        return RedirectResponse(str(target), 303, headers={"Cache-Control": "no-store"})


def _unframed(send: Send) -> Send:
    """Lets no other site show a page inside its own, where a click would be meant for something else.

    Nor does one learn from which page somebody came; and a browser takes no answer for another kind of file than it is.
    """

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Content-Security-Policy", "frame-ancestors 'self'")
            headers.setdefault("X-Frame-Options", "SAMEORIGIN")
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Referrer-Policy", "same-origin")
        await send(message)

    return sent


def host_allowed(request: HTTPConnection) -> bool:
    """Whether the request names this server by one of its own names: what guards against DNS rebinding."""
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return False
    return name in {str(host).lower() for host in config.get_option("server.allowedHosts")}


def same_site(request: HTTPConnection) -> bool:
    """Whether a request comes from a page of this server, or from no page: another site's never is let in."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
    known = {str(known).strip().rstrip("/") for known in config.get_option("server.corsAllowedOrigins")}
    try:
        return urlsplit(origin).netloc == request.headers.get("host") or origin in known
    except ValueError:  # half of an IPv6 address
        return False
