"""What a client sends again, what it does not, and which error stands for which answer."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api import problems
from app.api.problems import ERRORS, OWN, document
from app.client import AsyncClient, Client, Retry, RunState
from app.client.problems import error_of
from pipeline.errors import (
    ConfigError,
    GalleryBusyError,
    KeyRefusedError,
    KnownfaceError,
    ModelMissingError,
    NotAllowedError,
    PhotoTooLargeError,
    ServiceError,
    ServiceUnreachableError,
    SubjectNotFoundError,
    VaultLockedError,
)
from tests.api_server import made_state, photo
from tests.fakes import RED
from tests.loopback import serving

URL = "http://faces.example.org"
Step = httpx.Response | Exception
ENROLLED = {"enrolled": [{"subject": "Ada", "photo": "a", "sample_id": "s1", "already": False}], "failed": []}


def problem(code: str, **headers: str) -> httpx.Response:
    status, _ = problems.TABLE[code]
    kind = {"content-type": problems.MEDIA_TYPE}
    return httpx.Response(status, json=document(code, f"said {code}", "r1"), headers=kind | headers)


class Script:
    """Answers in this order, and remembers what was asked."""

    def __init__(self, *steps: Step) -> None:
        self.steps, self.asked = list(steps), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("app.client.sync.time.sleep", waited.append)
    monkeypatch.setattr("app.client.asynchronous.asyncio.sleep", sleep)
    return waited


def client(script: Script, **options: Any) -> Client:
    return Client(URL, key="kf_x", transport=httpx.MockTransport(script), **options)


def lost(kind: type[httpx.TransportError]) -> httpx.TransportError:
    return kind("lost")


def steps() -> list[Step]:
    return [
        lost(httpx.ConnectError),
        problem("overloaded", **{"retry-after": "2"}),
        lost(httpx.ReadError),
        problem("key_in_progress", **{"retry-after": "1"}),
        httpx.Response(201, json=ENROLLED),
    ]


def check_same_request(script: Script, pauses: Sequence[float]) -> None:
    keys = [one.headers["idempotency-key"] for one in script.asked]
    assert len(keys) == len(steps())
    assert len(set(keys)) == 1
    assert all(b"photo bytes" in one.content for one in script.asked)
    assert {one.headers["authorization"] for one in script.asked} == {"Bearer kf_x"}
    assert pauses[1] == 2
    assert 0 < pauses[0] < pauses[2] < 2


def test_an_enrolment_is_sent_again_under_its_key(pauses: list[float]) -> None:
    script = Script(*steps())
    with client(script) as there:
        (row,) = there.enrol("Ada", [b"photo bytes"])
    assert row.sample_id == "s1"
    check_same_request(script, pauses)


def test_the_client_for_asyncio_does_the_same(pauses: list[float]) -> None:
    script = Script(*steps())

    async def enrol() -> str | None:
        async with AsyncClient(URL, key="kf_x", transport=httpx.MockTransport(script)) as there:
            (row,) = await there.enrol("Ada", [b"photo bytes"])
        return row.sample_id

    assert asyncio.run(enrol()) == "s1"
    check_same_request(script, pauses)


def test_two_photos_have_two_keys(pauses: list[float]) -> None:
    script = Script(*(httpx.Response(201, json=ENROLLED) for _ in range(2)))
    with client(script) as there:
        there.enrol("Ada", [b"one", b"two"])
    assert len({one.headers["idempotency-key"] for one in script.asked}) == 2


@pytest.mark.parametrize(
    ("answers", "kind", "sent"),
    [
        ([lost(httpx.ReadError)], ServiceUnreachableError, 1),  # it may have been removed
        ([lost(httpx.ReadTimeout)], ServiceUnreachableError, 1),
        ([problem("gallery_unreachable", **{"retry-after": "1"})], KnownfaceError, 1),
        ([httpx.Response(502, text="bad gateway")], ServiceError, 1),
        ([problem("not_allowed")], NotAllowedError, 1),
        ([problem("vault_locked", **{"retry-after": "1"})], VaultLockedError, 1),  # no waiting helps
        ([problem("rate_limited", **{"retry-after": "3600"})], ServiceError, 1),
        ([lost(httpx.ConnectError), problem("gallery_busy"), problem("subject_not_found")], SubjectNotFoundError, 3),
        ([lost(httpx.ConnectError)] * 3, ServiceUnreachableError, 3),
        ([problem("gallery_busy")] * 3, GalleryBusyError, 3),
    ],
)
def test_a_removal_is_sent_again_only_where_nothing_was_done(
    answers: list[Step], kind: type[KnownfaceError], sent: int, pauses: list[float]
) -> None:
    script = Script(*answers)
    with client(script, retry=Retry(tries=3)) as there, pytest.raises(kind) as raised:
        there.remove("Ada")
    assert (len(script.asked), len(pauses)) == (sent, sent - 1)
    if isinstance(raised.value, ServiceUnreachableError):
        assert URL in raised.value.message


def test_a_lost_answer_enrols_nobody_twice(tmp_path: Path) -> None:
    class Loses(httpx.HTTPTransport):
        """The first answer to an enrolment comes to nobody."""

        lost = False

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = super().handle_request(request)
            if request.method == "POST" and not self.lost:
                answer.read()
                self.lost = True
                raise httpx.ReadError("lost")
            return answer

    transport = Loses()
    with serving(made_state(tmp_path)) as url, Client(url, transport=transport) as there:
        (row,) = there.enrol("Ada", [photo(tmp_path, RED)[1]])
        assert (transport.lost, row.already) == (True, False)  # the first answer, given again
        assert [one.id for one in there.subject("Ada").samples] == [row.sample_id]


def event(state: str, done: int) -> bytes:
    values = ("summer", state, True, 3, done, 0, 0, None, "", "two\u2028lines")
    shown = dict(zip(RunState.__slots__, values, strict=True))
    return b"event: progress\ndata: " + httpx.Response(200, json=shown).content + b"\n\n"


def test_events_that_break_off_are_asked_for_again(pauses: list[float]) -> None:
    answers = [
        httpx.Response(200, content=event("running", 1) + b": still here\n\n"),
        lost(httpx.ConnectError),
        httpx.Response(200, content=event("running", 1) + event("running", 2) + event("finished", 3)),
    ]
    with client(Script(*answers)) as there:
        seen = [(one.state, one.done) for one in there.follow("summer")]
    assert seen == [("running", 1), ("running", 2), ("finished", 3)]
    assert len(pauses) == 2
    asked = [json.loads(event("running", done).split(b"data: ")[1]) for done in (1, 3)]
    asked[1]["state"] = "finished"
    busy = [step for one in asked for step in (problem("overloaded"), httpx.Response(200, json=one))]
    with client(Script(*busy)) as there:
        assert [one.done for one in there.follow("summer")] == [1, 3]
    silent = [httpx.Response(200, content=b"") for _ in range(3)]
    with client(Script(*silent), retry=Retry(tries=3)) as there, pytest.raises(ServiceUnreachableError):
        list(there.follow("summer"))


def test_every_code_has_its_error() -> None:
    own: dict[str, type[KnownfaceError]] = {
        "key_needed": KeyRefusedError,
        "body_too_large": PhotoTooLargeError,
        "model_unknown": ModelMissingError,
    }
    request = httpx.Request("GET", URL)
    for code in problems.TABLE:
        answer = problem(code)
        answer.request = request
        error = error_of(answer)
        if code in OWN or code in {"error", "service_error", "service_unreachable"}:
            assert type(error) is own.get(code, ServiceError), code
        else:
            assert (type(error).code, code in ERRORS) == (code, True)
        assert error.message == f"said {code}"
        if isinstance(error, ServiceError):
            assert (error.problem, error.status, error.request_id) == (code, problems.TABLE[code][0], "r1")


@pytest.mark.parametrize("answer", [httpx.Response(404, text="<html>"), httpx.Response(500), httpx.Response(307)])
def test_what_is_no_knownface_says_so(answer: httpx.Response, pauses: list[float]) -> None:
    with client(Script(answer)) as there, pytest.raises(ServiceError, match="right address"):
        there.remove("Ada")


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"samples": []}', "null"])
def test_what_is_understood_by_nobody_is_a_named_error(body: str) -> None:
    answer = httpx.Response(200, text=body, headers={"content-type": "application/json"})
    for verb in (lambda there: there.remove("Ada"), lambda there: there.subject("Ada"), lambda there: there.ready()):
        with client(Script(answer)) as there, pytest.raises(ServiceError, match="one version"):
            verb(there)
    for verb in (lambda there: list(there.follow("x")), lambda there: list(there.results("x"))):
        lines = httpx.Response(200, content=b"data: " + body.encode() + b"\n")
        with client(Script(lines)) as there, pytest.raises(ServiceError, match="one version"):
            verb(there)


@pytest.mark.parametrize("build", [Client, AsyncClient])
def test_what_is_no_address_or_key_is_refused(build: Callable[..., object]) -> None:
    for url in ("faces.example.org", "ftp://x", "http://", "http://x:99999", "http://x/?a=b"):
        with pytest.raises(ConfigError, match="address"):
            build(url)
    with pytest.raises(ConfigError, match="key"):
        build(URL, key="kf_\n")


def test_importing_the_client_loads_no_model_database_or_server() -> None:
    code = "import sys, app.client; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"cv2", "PIL", "onnxruntime", "openvino", "faiss", "sqlalchemy", "alembic", "torch", "streamlit", "typer"}
    assert {"httpx", "numpy"} <= set(found)
    assert not (heavy | {"fastapi", "starlette", "uvicorn", "pydantic"}) & set(found)
