"""Files that the pages link to: results of runs, backups; who gets them, and what is left behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.applications import Starlette

from app.access import Actor, Role
from app.runs import Run
from app.services import Services
from app.web import files, gate, state
from app.web.guard import Guard
from tests.asgi import TestClient
from tests.made_runs import made_run

OPTIONS = {"server.allowedHosts": ["127.0.0.1"], "server.corsAllowedOrigins": []}
BASE = "http://127.0.0.1:8501"


class Somebody(Guard):
    """A guard who lets somebody pass."""

    who: Actor | None = Actor("ada", Role.ADMIN)

    def actor(self, token: str | None, *, use: bool = True) -> Actor | None:
        return self.who


@pytest.fixture
def guard(services: Services, monkeypatch: pytest.MonkeyPatch) -> Somebody:
    monkeypatch.setattr(gate.config, "get_option", OPTIONS.__getitem__)
    monkeypatch.setattr(state, "shared", lambda: services)
    return Somebody(services.settings, "127.0.0.1", "knownface-1")


@pytest.fixture
def client(guard: Somebody, services: Services) -> Iterator[TestClient]:
    made_run(services.settings.home, "my trip", {"/photos/a.jpg": ["ada", "grace"]}).decide(services)
    with TestClient(Starlette(routes=files.routes(guard)), base_url=BASE) as made:
        yield made
    assert list(services.settings.home.glob(".files-*")) == []


def test_a_report_is_sent_and_reaches_nothing_of_this_site(client: TestClient) -> None:
    reply = client.get("/files/run/my%20trip/report.html")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/html")
    assert "content-disposition" not in reply.headers
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in reply.headers["content-security-policy"]
    assert "<html" in reply.text
    assert "U-0001" in reply.text


def test_a_table_is_by_the_people_enrolled_now(client: TestClient, services: Services) -> None:
    run = Run.open(services.settings.home, "my trip")
    assert "Ada" not in client.get("/files/run/my%20trip/results.csv").text
    from app.unknowns import name_cluster, registry_of

    registry = registry_of(services)
    (row,) = (one for one in run.faces() if one.face_id == run.vectors()[0][0])
    name_cluster(services, registry, registry.resolve(row.cluster or ""), "Ada")
    reply = client.get("/files/run/my%20trip/results.csv")
    assert (
        "my%20trip.csv" in reply.headers["content-disposition"] or "my trip.csv" in reply.headers["content-disposition"]
    )
    assert reply.text.count("Ada") >= 1
    assert {entry.action for entry in services.gallery.audit()} >= {"export"}


@pytest.mark.parametrize("name", ["none", "..%2F..%2Fgallery", "..", "a%00b"])
def test_what_there_is_not_is_a_sentence(client: TestClient, name: str) -> None:
    reply = client.get(f"/files/run/{name}/report.html")
    assert reply.status_code in {404, 409}
    assert "Traceback" not in reply.text


def test_a_run_that_is_under_way_is_waited_for(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "is_busy", lambda _: True)
    reply = client.get("/files/run/my%20trip/report.html")
    assert (reply.status_code, "is under way" in reply.text) == (409, True)


def test_a_backup_is_for_admins(client: TestClient, guard: Somebody, tmp_path: Path) -> None:
    reply = client.get("/files/backup")
    assert "attachment" in reply.headers["content-disposition"]
    file = tmp_path / "sent.sqlite3"
    file.write_bytes(reply.content)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("select count(*) from subjects").fetchone() == (0,)
    guard.who = Actor("eve", Role.OPERATOR)
    reply = client.get("/files/backup")
    assert (reply.status_code, "this takes an admin" in reply.text) == (403, True)


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}]
)
def test_another_site_gets_nothing(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/files/backup", headers=headers).status_code == 403
    assert client.get("/files/run/my%20trip/report.html", headers=headers).status_code == 403


def test_nobody_gets_nothing(client: TestClient, guard: Somebody) -> None:
    guard.who = None
    assert client.get("/files/run/my%20trip/report.html").status_code == 403
