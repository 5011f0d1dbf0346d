"""Many sessions at once: fair turns, limited uploads, and a sentence for what nobody foresaw."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message
from streamlit.testing.v1 import AppTest

from app.access import Actor, Role
from app.services import Services
from app.web import diary, state, uploads
from app.web.turns import Turns
from app.web.uploads import UploadLimit
from tests.app.web.conftest import seen
from tests.asgi import TestClient


def test_who_waits_longest_goes_first() -> None:
    """One session with many photos takes turns with one that has a single photo."""
    turns, order = Turns(1), []
    first_inside, go = threading.Event(), threading.Event()

    def many() -> None:
        for number in range(5):
            with turns.turn():
                order.append(f"many {number}")
                if not number:
                    first_inside.set()
                    go.wait(120)

    def one() -> None:
        with turns.turn():
            order.append("one")

    busy = threading.Thread(target=many)
    busy.start()
    assert first_inside.wait(120)
    other = threading.Thread(target=one)
    other.start()
    while not turns._waiting:
        pass
    go.set()
    busy.join(120)
    other.join(120)
    assert order[:2] == ["many 0", "one"]
    assert len(order) == 6
    assert turns._free == 1


def test_no_more_are_inside_than_there_are_slots() -> None:
    turns, lock = Turns(2), threading.Lock()
    inside, most, done = [0], [0], [0]

    def work() -> None:
        for _ in range(50):
            with turns.turn():
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                with lock:
                    inside[0] -= 1
                    done[0] += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert done[0] == 400
    assert 1 <= most[0] <= 2
    assert turns._free == 2
    assert not turns._waiting


def test_an_error_inside_gives_the_turn_back() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="x"), turns.turn():
        raise ValueError("x")
    assert turns._free == 1


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What Streamlit keeps of uploads, with limits of 100 and 250 bytes."""
    kept: dict[str, dict[str, Any]] = {}
    manager = SimpleNamespace(uploaded_file_mgr=SimpleNamespace(file_storage=kept))
    monkeypatch.setattr(uploads.runtime, "get_instance", lambda: manager)
    monkeypatch.setattr(uploads, "OF_ONE", 100)
    monkeypatch.setattr(uploads, "OF_ALL", 250)
    return kept


def put(client: TestClient, tab: str, size: int, **headers: str) -> int:
    data = b"x" * size
    return int(client.put(f"/_stcore/upload_file/{tab}/f{size}", content=data, headers=headers).status_code)


def test_uploads_are_limited_for_each_tab_and_for_all(storage: dict[str, dict[str, Any]]) -> None:
    async def store(request: Request) -> PlainTextResponse:
        tab, file = request.path_params["tab"], request.path_params["file"]
        storage.setdefault(tab, {})[file] = SimpleNamespace(data=await request.body())
        return PlainTextResponse("stored")

    route = Route("/_stcore/upload_file/{tab}/{file}", store, methods=["PUT", "DELETE"])
    with TestClient(Starlette(routes=[route], middleware=[Middleware(UploadLimit)])) as client:
        assert put(client, "a", 60) == 200
        assert put(client, "a", 41) == 413, "this tab has 40 bytes left"
        assert put(client, "a", 40) == 200
        assert put(client, "b", 100) == 200
        assert put(client, "c", 51) == 413, "all together have 50 left"
        assert put(client, "c", 50) == 200
        del storage["b"]
        assert put(client, "d", 100) == 200
        assert client.put("/_stcore/upload_file/e/f", content=iter([b"x"])).status_code == 411
        assert client.delete("/_stcore/upload_file/e/f").status_code == 200


def test_what_has_come_of_uploads_counts_and_what_was_announced_does_not(storage: dict[str, dict[str, Any]]) -> None:
    """Else whoever announces much, and sends it slowly, keeps everybody else from uploading."""

    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    async def all_at_once() -> list[list[tuple[str, Any]]]:
        limit, go = UploadLimit(Route("/{path:path}", read, methods=["PUT"]).app), asyncio.Event()

        async def put(tab: str, announced: int, *parts: bytes) -> list[tuple[str, Any]]:
            said: list[tuple[str, Any]] = []
            left = list(parts)

            async def receive() -> Message:
                if not left:
                    await go.wait()
                part = left.pop(0) if left else b""
                return {"type": "http.request", "body": part, "more_body": bool(left) or not go.is_set()}

            async def send(message: Message) -> None:
                said.append((message["type"], message.get("status", message.get("body"))))

            path = f"/_stcore/upload_file/{tab}/f"
            headers = [(b"content-length", str(announced).encode())]
            scope = {"type": "http", "method": "PUT", "path": path, "headers": headers, "query_string": b""}
            await limit(scope, receive, send)
            return said

        slow = [asyncio.ensure_future(put(tab, 99, b"x" * 20)) for tab in ("a", "b", "c")]
        await asyncio.sleep(0)
        while limit._coming.total() < 60:
            await asyncio.sleep(0)
        go_on = asyncio.ensure_future(put("d", 90, b"x" * 90))  # 297 were announced, 60 came
        refused = await put("a", 90)
        while limit._coming.total() < 150:
            await asyncio.sleep(0)
        too_much = await put("e", 90, b"x" * 50, b"x" * 50, b"x" * 50)  # 200, then 250, then more than there may be
        go.set()
        done = [refused, too_much, await go_on, *[await one for one in slow]]
        assert not limit._coming
        return done

    refused, too_much, *others = asyncio.run(all_at_once())
    assert refused[0][1] == too_much[0][1] == 413
    assert [said[0][1] for said in others] == [200] * 4


def test_an_upload_that_stops_in_the_middle_is_ended(
    storage: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    async def stopped() -> list[int]:
        said: list[int] = []

        async def receive() -> Message:
            return await asyncio.Event().wait() and {}

        async def send(message: Message) -> None:
            said.append(message.get("status", 0))

        headers = [(b"content-length", b"9")]
        scope = {"type": "http", "method": "PUT", "path": "/_stcore/upload_file/a/f", "headers": headers}
        await UploadLimit(Route("/{path:path}", read, methods=["PUT"]).app)(scope, receive, send)
        return said

    monkeypatch.setattr(uploads, "SILENCE_S", 0.01)
    assert asyncio.run(stopped())[0] == 408


def test_an_upload_is_never_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    async def rolled(request: Request) -> PlainTextResponse:
        async with request.form() as form:
            return PlainTextResponse(str(form["file"].file._rolled))  # type: ignore[union-attr]

    monkeypatch.setattr(MultiPartParser, "spool_max_size", MultiPartParser.spool_max_size)
    uploads.keep_in_memory()
    with TestClient(Starlette(routes=[Route("/", rolled, methods=["PUT"])])) as client:
        assert client.put("/", files={"file": ("a.jpg", bytes(3_000_000))}).text == "False"
    script = Path(uploads.__file__).with_name("server.py").read_text(encoding="utf-8")
    assert "\nkeep_in_memory()\n" in script


def test_what_nobody_foresaw_is_a_sentence_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    script = (
        "from app.web.mishap import say_so\n"
        "try:\n    raise RuntimeError('Ada' + ' Lovelace')\nexcept RuntimeError as e:\n    assert say_so(e)"
    )
    with caplog.at_level(logging.ERROR):
        at = AppTest.from_string(script, default_timeout=180).run()
    assert not at.exception
    assert "Something went wrong here. Reload the page" in seen(at)
    assert "Ada Lovelace" not in seen(at)
    assert "RuntimeError" in caplog.text
    assert "Ada Lovelace" not in caplog.text, "names do not go into logs"


def test_logging_in_is_in_the_audit_log(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "shared", lambda: services)
    diary.note(Actor("ada", Role.OPERATOR), "login")
    (*_, entry) = services.gallery.audit()
    assert (entry.actor, entry.action) == ("ada", "login")
    monkeypatch.setattr(type(services.gallery), "record", _full)
    diary.note(Actor("ada", Role.OPERATOR), "logout")


def _full(*_: object, **__: object) -> None:
    from pipeline.errors import GalleryBusyError

    raise GalleryBusyError("busy")
