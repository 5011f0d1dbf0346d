"""Runs by the service: a zip that comes, progress as events, results; and the unknown faces of them."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import batch, brought, jobs, unknowns
from app.access import Role
from app.api import zips
from app.api.routes import runs
from app.api.state import State
from app.runs.output.again import remember
from app.runs.output.write import write_results
from tests.api_server import client_of, key_for, made_state, photo
from tests.asgi import TestClient
from tests.fakes import RED
from tests.made_runs import made_run

ZIP = {"content-type": "application/zip"}


@pytest.fixture
def state(tmp_path: Path) -> State:
    return made_state(tmp_path)


@pytest.fixture
def client(state: State) -> Iterator[TestClient]:
    with client_of(state) as made:
        yield made


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def start(job: jobs.Job, arguments: list[str], variables: dict[str, str], **how: Any) -> None:
        files = {file.name: file.read_bytes() for file in job.input.iterdir()}
        calls.append({"arguments": arguments, "files": files, **how})

    monkeypatch.setattr(jobs.Job, "start", start)
    return calls


def packed(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.png", data)
    return stream.getvalue()


def test_the_photos_of_a_zip_become_a_run(client: TestClient, tmp_path: Path, started: list[dict[str, Any]]) -> None:
    data = photo(tmp_path, RED)[1]
    said = client.post("/v1/runs/summer/zip", content=packed(a=data, b=data), headers=ZIP)
    assert (said.status_code, said.json()) == (202, {"name": "summer", "photos": 2})
    assert started[0]["discard"]
    assert list(started[0]["files"].values()) == [data, data]
    assert client.post("/v1/runs/summer/zip", content=packed(a=data), headers=ZIP).json()["error"] == "run_name"


def test_what_is_no_zip_starts_nothing(client: TestClient, started: list[dict[str, Any]]) -> None:
    for content, headers, status, code in (
        (b"no zip", ZIP, 422, "photo_format"),
        (packed(), ZIP, 422, "photo_unreadable"),
        (packed(a=b"x"), {"content-type": "text/plain"}, 400, "body_unreadable"),
    ):
        said = client.post("/v1/runs/summer/zip", content=content, headers=headers)
        assert (said.status_code, said.json()["error"]) == (status, code)
    assert client.post("/v1/runs/..%2Fx/zip", content=packed(a=b"x"), headers=ZIP).status_code == 422
    assert not started
    assert client.get("/v1/runs").json() == {"runs": []}


def test_what_a_zip_says_is_never_a_path_or_a_link(client: TestClient, started: list[dict[str, Any]]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("../../../up.jpg", "/etc/abs.jpg", "C:\\x\\con.png", "a/b/c.jpg", ".hidden.jpg", "notes.txt"):
            archive.writestr(name, b"x")
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    said = client.post("/v1/runs/summer/zip", content=stream.getvalue(), headers=ZIP)
    assert said.json() == {"name": "summer", "photos": 5}
    files = started[0]["files"]
    assert sorted(files) == ["00001 up.jpg", "00002 abs.jpg", "00003 con.png", "00004 c.jpg", "00005 link.jpg"]
    assert files["00005 link.jpg"] == b"/etc/passwd"


def test_a_bomb_is_not_unpacked(
    client: TestClient, state: State, started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(50_000_000))
    assert len(stream.getvalue()) < 100_000
    said = client.post("/v1/runs/bomb/zip", content=stream.getvalue(), headers=ZIP)
    assert (said.status_code, said.json()["error"]) == (413, "photo_too_large")
    monkeypatch.setattr(brought, "MOST_BYTES", 300_000)
    many = packed(**{f"p{number}": bytes(100_000) for number in range(4)})
    said = client.post("/v1/runs/bomb/zip", content=many, headers=ZIP)
    assert (said.status_code, said.json()["error"]) == (413, "photo_too_large")
    assert not started
    assert not (state.services.settings.home / "runs" / "bomb").exists()


def test_a_full_disk_is_said_and_leaves_nothing(
    client: TestClient, state: State, started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = packed(a=bytes(1000))

    def send() -> tuple[int, str]:
        said = client.post("/v1/runs/summer/zip", content=data, headers=ZIP)
        return said.status_code, said.json()["error"]

    monkeypatch.setattr(zips, "room", lambda _: 100)
    assert send() == (507, "disk_full")
    if (full := Path("/dev/full")).exists():
        monkeypatch.setattr(zips, "room", lambda _: 2**40)
        monkeypatch.setattr(zips.tempfile, "TemporaryFile", lambda **_: full.open("r+b", buffering=0))
        assert send() == (507, "disk_full")
    monkeypatch.undo()
    monkeypatch.setattr(brought, "room", lambda _: 100)
    assert send() == (507, "disk_full")
    assert list(state.services.settings.home.glob("runs/summer*")) == []


def test_a_zip_takes_an_operator(state: State, started: list[dict[str, Any]]) -> None:
    with client_of(state, key_for(state, Role.VIEWER)) as client:
        assert client.post("/v1/runs/summer/zip", content=packed(a=b"x"), headers=ZIP).status_code == 403
    assert not started


def test_a_run_is_followed_read_and_erased(client: TestClient, state: State) -> None:
    made_run(state.services.settings.home, "summer", {"/p/a.jpg": ["ada", "bob"], "/p/b.jpg": ["ada"]})
    (one,) = client.get("/v1/runs").json()["runs"]
    assert (one["name"], one["total"], one["faces"]) == ("summer", 2, 3)
    assert client.get("/v1/runs/summer").json() == one
    events = client.get("/v1/runs/summer/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    name, data = events.text.strip().split("\n")
    assert name == "event: progress"
    assert json.loads(data.removeprefix("data: ")) == one
    assert not state.followers
    for others in ({"somebody": state.limits.followers}, {"": state.limits.followers_each}):
        state.followers = Counter(others)
        assert client.get("/v1/runs/summer/events").json()["error"] == "overloaded"
    state.followers = Counter({"somebody": state.limits.followers_each})
    assert client.get("/v1/runs/summer/events").status_code == 200
    rows = [json.loads(line) for line in client.get("/v1/runs/summer/results").text.splitlines()]
    assert [row["photo"] for row in rows] == ["/p/a.jpg", "/p/a.jpg", "/p/b.jpg"]
    assert client.delete("/v1/runs/summer").json() == {"removed": "summer"}
    assert client.get("/v1/runs/summer").status_code == 404


def test_events_end_with_the_key(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    home = state.services.settings.home
    made_run(home, "summer", {"/p/a.jpg": ["ada"]})
    key, one = key_for(state, Role.VIEWER), batch.batch_of(home, "summer")
    assert one is not None
    asked: list[str] = []

    def under_way(_: Path, name: str) -> batch.Batch:
        asked.append(name)
        if len(asked) == 5:
            state.keys.remove("robot")
        return replace(one, state="running" if len(asked) < 500 else "finished")

    monkeypatch.setattr(batch, "batch_of", under_way)
    monkeypatch.setattr(runs, "_ASK_S", 0.01)
    monkeypatch.setattr(runs, "_KNOWN_S", 0.03)
    with client_of(state, key) as client:
        assert client.get("/v1/runs/summer/events").text.count("event: progress") == 1
    assert 5 <= len(asked) < 500
    assert not state.followers


def test_naming_an_unknown_writes_the_results_again(client: TestClient, state: State, tmp_path: Path) -> None:
    home, out = state.services.settings.home, tmp_path / "out"
    run = made_run(home, "summer", {"/p/a.jpg": ["x", "y"], "/p/b.jpg": ["x"], "/p/c.jpg": ["x#2"], "/p/d.jpg": ["y"]})
    run.decide(state.services)
    unknowns.assign_clusters(run, state.services)
    write_results(run, out, ["jsonl"])
    remember(run, out, ["jsonl"], assets=False)
    listed = client.get("/v1/unknowns").json()["clusters"]
    assert [(row["cluster"], row["faces"]) for row in listed] == [("U-0001", 3), ("U-0002", 2)]
    assert client.get("/v1/unknowns/U-0001/picture").content[:2] == b"\xff\xd8"
    said = client.post("/v1/unknowns/U-0001/name", json={"subject": "Xenia"}).json()
    assert (said["recognised"], said["written"], said["not_written"]) == (3, 1, [])
    subjects = [json.loads(line)["subject"] for line in (out / "results.jsonl").read_text().splitlines()]
    assert subjects.count("Xenia") == 3
    face = client.get("/v1/unknowns/U-0002").json()["faces"][0]["face_id"]
    split = client.post("/v1/unknowns/U-0002/split", json={"faces": [face]}).json()
    assert (split["cluster"], split["written"]) == ("U-0003", 1)
    (out / "results.jsonl").unlink()
    (out / "results.jsonl").mkdir()
    merged = client.post("/v1/unknowns/U-0002/merge", json={"cluster": "U-0003"}).json()
    assert (merged["cluster"], merged["written"], len(merged["not_written"])) == ("U-0002", 0, 1)
