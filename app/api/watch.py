"""Around everything: an identity for each request, a line in the log, the measures, and the answer of last resort."""

from __future__ import annotations

import re
import time
from secrets import token_hex

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problems
from app.api.diary import LOG, unforeseen
from app.api.state import State

_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SAFE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class Watch:
    """ASGI middleware.

    Args:
        app: What stands behind it.
        state: Of the server.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app, self._measures = app, state.measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request pass and notes how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        scope["request_id"] = request_id = given if _GIVEN.fullmatch(given) else token_hex(8)
        began, status = time.monotonic(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in _SAFE.items():
                    headers.setdefault(name, value)
            await send(message)

        fields: dict[str, object] = {}
        self._measures.under_way.inc()
        try:
            await self._app(scope, receive, noted)
        except Exception as error:  # noqa: BLE001 - the last resort: named errors were answered before
            fields = unforeseen(error)
            if not status:
                detail = "an error that nobody foresaw: the server's log has more under this request_id"
                await problems.answer("internal", detail, request_id)(scope, receive, noted)
        finally:
            self._measures.under_way.dec()
            self._note(scope, status, time.monotonic() - began, fields)

    def _note(self, scope: Scope, status: int, seconds: float, fields: dict[str, object]) -> None:
        route = getattr(scope.get("route"), "path", "") or "none"
        self._measures.answered(scope["method"], route, status, seconds)
        said = {
            "request_id": scope["request_id"],
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "key": scope.get("key_id", ""),
        }
        LOG.log(40 if status >= 500 or fields else 20, "request", extra={"fields": said | fields})
