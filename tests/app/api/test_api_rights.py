"""Consents, holds, the copy of everything: over the service, with the roles they take."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.access import Role
from app.api.state import State
from tests.api_server import client_of, key_for, made_state, photo
from tests.asgi import TestClient
from tests.fakes import RED
from tests.made_runs import decide_by_name, made_run


@pytest.fixture
def state(tmp_path: Path) -> State:
    return made_state(tmp_path)


@pytest.fixture
def client(state: State, tmp_path: Path) -> Iterator[TestClient]:
    with client_of(state) as made:
        assert made.post("/v1/subjects/Ada/samples", files=[("photos", photo(tmp_path, RED))]).status_code == 201
        yield made


def test_a_consent_is_given_listed_and_withdrawn(client: TestClient) -> None:
    new = {"purpose": "door", "until": "2999-01-01T00:00:00+02:00", "evidence": "binder 7", "text_version": "3"}
    said = client.post("/v1/subjects/Ada/consents", json=new)
    assert said.status_code == 201
    (one,) = said.json()["consents"]
    assert (one["purpose"], one["in_force"], one["evidence"], one["withdrawn"]) == ("door", True, "binder 7", None)
    assert one["expires"].startswith("2998-12-31T22:00:00")
    assert client.post("/v1/subjects/Ada/consents", json=new).json() == said.json()
    client.post("/v1/subjects/Ada/consents", json={"purpose": "till"})
    gone = client.post("/v1/subjects/Ada/consents/withdrawal", json={"purpose": "door"}).json()
    assert gone["withdrawn"] == 1
    assert [row["in_force"] for row in gone["consents"]] == [False, True]
    assert client.post("/v1/subjects/Ada/consents/withdrawal", json={}).json()["withdrawn"] == 1
    assert len(client.get("/v1/subjects/Ada/consents").json()["consents"]) == 2
    for path in ("consents", "export", "picture"):
        assert client.get(f"/v1/subjects/Nobody/{path}").json()["error"] == "subject_not_found"


_NO_CONSENT: list[dict[str, object]] = [
    {},
    {"purpose": " "},
    {"purpose": "a\nb"},
    {"purpose": "door", "until": "9999-12-31T23:59:59-14:00"},
    {"purpose": "door", "until": "tomorrow"},
    {"purpose": "door", "more": 1},
]


def test_a_consent_that_says_nothing_is_refused(client: TestClient) -> None:
    for wrong in _NO_CONSENT:
        assert client.post("/v1/subjects/Ada/consents", json=wrong).json()["error"] == "request_invalid"
        assert client.get("/v1/subjects/Ada/consents").json()["consents"] == []


def test_who_is_held_is_not_erased(client: TestClient) -> None:
    (held,) = client.put("/v1/subjects/Ada/hold", json={"reason": "case 4711"}).json()["holds"]
    assert (held["subject"], held["reason"], held["until"]) == ("Ada", "case 4711", None)
    assert client.get("/v1/holds").json()["holds"] == [held]
    assert client.post("/v1/subjects/Ada/erasure", json={}).json()["error"] == "legal_hold"
    assert client.delete("/v1/subjects/Ada").status_code == 409
    assert client.delete("/v1/subjects/Ada/hold").json() == {"lifted": True}
    assert client.delete("/v1/subjects/Ada/hold").json() == {"lifted": False}
    assert client.post("/v1/subjects/Ada/erasure", json={}).status_code == 200


def test_everything_is_given_out_as_json_and_as_zip(client: TestClient, state: State) -> None:
    home = state.services.settings.home
    decide_by_name(made_run(home, "summer", {"/p/a.jpg": ["Ada"]}), enrolled=["Ada"])
    said = client.get("/v1/subjects/Ada/export").json()
    assert (said["subject"], len(said["samples"]), said["runs"][0]["run"]) == ("Ada", 1, "summer")
    assert said["samples"][0]["templates"]
    answer = client.get("/v1/subjects/Ada/export", params={"format": "zip"})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert json.loads(archive.read("subject.json"))["subject_id"] == said["subject_id"]
        assert "run-faces/00000.jpg" in archive.namelist()
    assert [one.name for one in home.iterdir() if one.name.startswith(".export-")] == []
    entries = client.get("/v1/audit", params={"action": "export"}).json()["entries"]
    assert [one["target"] for one in entries] == [f"subject:{said['subject_id']}"] * 2


def test_pictures(client: TestClient, state: State, tmp_path: Path) -> None:
    made_run(state.services.settings.home, "summer", {"/p/a.jpg": ["Ada"]})
    (row,) = [json.loads(line) for line in client.get("/v1/runs/summer/results").text.splitlines()]
    said = client.get(f"/v1/runs/summer/faces/{row['face_id']}/picture")
    assert (said.headers["content-type"], said.content[:2]) == ("image/jpeg", b"\xff\xd8")
    assert said.headers["cache-control"] == "no-store"
    assert client.get("/v1/runs/summer/faces/none-1/picture").json()["error"] == "run_not_found"
    assert client.get("/v1/subjects/Ada/picture").json()["error"] == "subject_not_found"
    kept = made_state(tmp_path / "kept")
    kept.services.settings = kept.services.settings.model_copy(update={"keep_crops": True})
    with client_of(kept) as other:
        other.post("/v1/subjects/Ada/samples", files=[("photos", photo(tmp_path, RED))])
        said = other.get("/v1/subjects/Ada/picture")
        assert (said.headers["content-type"], said.content[:4]) == ("image/png", b"\x89PNG")


def test_the_roles(client: TestClient, state: State) -> None:
    asked: list[tuple[Role, str, str, dict[str, object] | None]] = [
        (Role.VIEWER, "GET", "/v1/subjects/Ada/consents", None),
        (Role.VIEWER, "GET", "/v1/holds", None),
        (Role.VIEWER, "GET", "/v1/models/change", None),
        (Role.VIEWER, "GET", "/v1/calibration/job", None),
        (Role.OPERATOR, "GET", "/v1/subjects/Ada/export", None),
        (Role.OPERATOR, "POST", "/v1/subjects/Ada/consents", {"purpose": "door"}),
        (Role.OPERATOR, "POST", "/v1/subjects/Ada/consents/withdrawal", {}),
        (Role.OPERATOR, "DELETE", "/v1/calibration", None),
        (Role.OPERATOR, "POST", "/v1/calibration/stop", None),
        (Role.ADMIN, "PUT", "/v1/subjects/Ada/hold", {"reason": "case"}),
        (Role.ADMIN, "DELETE", "/v1/subjects/Ada/hold", None),
        (Role.ADMIN, "POST", "/v1/models/change/stop", None),
    ]
    shown = {role: key_for(state, role, role.label) for role in Role}
    for weakest, method, path, body in asked:
        for role in Role:
            headers = {"Authorization": f"Bearer {shown[role]}"}
            status = client.request(method, path, headers=headers, json=body).status_code
            assert (status == 403) == (role < weakest), (role, method, path, status)
            assert status < 500
    for role in Role:
        said = client.get("/v1/me", headers={"Authorization": f"Bearer {shown[role]}"}).json()
        assert said == {"name": role.label, "role": role.label}
