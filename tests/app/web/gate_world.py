"""A gate with one user behind it, a browser in front of it, and what was noted and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.refusals import Refusals
from app.web.gate import Gate
from app.web.guard import Guard
from app.web.login import routes
from pipeline.config import Settings
from tests.asgi import TestClient

GOOD = "correct horse battery"
NOTED: list[tuple[str, str]] = []
REFUSED: list[tuple[str, str, dict[str, Any]]] = []
OPTIONS = {
    "server.allowedHosts": ["127.0.0.1", "faces.example.org"],
    "server.corsAllowedOrigins": ["https://faces.example.org"],
}


def made(home: Path, address: str = "127.0.0.1") -> Guard:
    return Guard(Settings(home=home, session_idle_min=1), address, "knownface-1")


def client_of(guard: Guard, base: str = "http://127.0.0.1:8501") -> TestClient:
    async def inside(_: Any) -> PlainTextResponse:
        return PlainTextResponse("inside")

    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("inside")
        await socket.close()

    behind = [
        *routes(
            guard,
            "",
            lambda actor, action: NOTED.append((actor.name, action)),
            Refusals(lambda action, target, detail: REFUSED.append((action, target, dict(detail)))),
        ),
        WebSocketRoute("/_stcore/stream", stream),
        Route("/{path:path}", inside),
    ]
    app = Starlette(routes=behind, middleware=[Middleware(Gate, guard=guard)])
    return TestClient(app, base_url=base, follow_redirects=False)


def log_in(client: TestClient, password: str = GOOD, *, next_page: str = "/", **headers: str) -> Any:
    sent = {"Origin": "http://127.0.0.1:8501"} | headers
    form = {"user": "Ada", "password": password}
    return client.post(f"/login?next={next_page}", data=form, headers=sent)


def reaches(client: TestClient, **headers: str) -> bool:
    try:
        with client.websocket_connect("ws://127.0.0.1:8501/_stcore/stream", headers=headers) as socket:
            return bool(socket.receive_text() == "inside")
    except WebSocketDisconnect:
        return False
