"""Who may pass, how often, how much; and what of it is written down."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.access import Role
from app.access.users import Users
from app.api.diary import AsJson
from app.api.gate import Pace
from tests.api_server import client_of, key_for, made_state, photo
from tests.fakes import RED


def test_with_a_key_there_is_no_way_without_and_roles_hold(tmp_path: Path) -> None:
    state = made_state(tmp_path)
    shown = {role: key_for(state, role, role.label) for role in Role}
    files = [("photos", photo(tmp_path, RED))]
    with client_of(state) as client:
        wrong = 'Bearer error="invalid_token"'
        for shown_as, challenge in (
            ("", "Bearer"),
            ("Bearer kf_a_b", wrong),
            ("Bearer a.b.c", wrong),
            ("Basic x", "Bearer"),
        ):
            said = client.get("/v1/subjects", headers={"Authorization": shown_as} if shown_as else {})
            assert said.status_code == 401
            assert said.headers["www-authenticate"] == challenge
        assert client.get("/healthz").status_code == 200
        assert client.get("/metrics").status_code == 401

        def ask(role: Role, method: str, path: str, **more: object) -> int:
            headers = {"Authorization": f"Bearer {shown[role]}"}
            status: int = client.request(method, path, headers=headers, **more).status_code  # type: ignore[arg-type]
            return status

        assert ask(Role.VIEWER, "GET", "/v1/subjects") == 200
        assert ask(Role.VIEWER, "POST", "/v1/subjects/Ada/samples", files=files) == 403
        assert ask(Role.OPERATOR, "POST", "/v1/subjects/Ada/samples", files=files) == 201
        assert ask(Role.OPERATOR, "DELETE", "/v1/subjects/Ada") == 403
        assert ask(Role.OPERATOR, "GET", "/v1/audit") == 403
        assert ask(Role.VIEWER, "POST", "/v1/runs", json={"name": "x", "folder": "/"}) == 403
        assert ask(Role.ADMIN, "POST", "/v1/runs", json={"name": "x", "folder": "/"}) == 422
        entries = client.get("/v1/audit", headers={"Authorization": f"Bearer {shown[Role.ADMIN]}"}).json()["entries"]
        assert [one["actor"] for one in entries if one["action"] == "enrol"] == ["operator"]


def test_a_removed_key_is_refused_at_once_and_users_close_the_door_too(tmp_path: Path) -> None:
    state = made_state(tmp_path)
    with client_of(state) as client:
        assert client.get("/v1/subjects").status_code == 200
        Users(state.services.settings.home).add("ada", Role.VIEWER, "correct horse battery")
        assert client.get("/v1/subjects").json()["error"] == "key_needed"
        shown = key_for(state, Role.VIEWER)
        headers = {"Authorization": f"Bearer {shown}"}
        assert client.get("/v1/subjects", headers=headers).status_code == 200
        state.keys.remove("robot")
        assert client.get("/v1/subjects", headers=headers).json()["error"] == "key_refused"


def test_without_keys_other_sites_and_names_are_refused(tmp_path: Path) -> None:
    with client_of(made_state(tmp_path)) as client:
        for headers in (
            {"Host": "evil.example"},
            {"Host": ""},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            assert client.get("/v1/subjects", headers=headers).json()["error"] == "host_refused", headers
        assert client.get("/v1/subjects", headers={"Host": "localhost:8600"}).status_code == 200
    state = made_state(tmp_path / "far")
    state.local = False
    with client_of(state) as client:
        assert client.get("/v1/subjects").status_code == 401


def test_without_keys_another_account_of_the_machine_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = made_state(tmp_path)
    asked: list[object] = []
    monkeypatch.setattr("app.api.gate.is_another_account", lambda client, _: bool(asked.append(client)) or True)
    with client_of(state) as client:
        assert client.get("/v1/subjects").json()["error"] == "key_needed"
        assert client.post("/v1/runs", json={"name": "x", "folder": "/"}).status_code == 401
        shown = key_for(state, Role.VIEWER)
        assert client.get("/v1/subjects", headers={"Authorization": f"Bearer {shown}"}).status_code == 200
    assert [tuple(one) for one in asked] == [("testclient", 50000)] * 2  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("PATCH", "/v1/subjects/zip", 413),  # a subject of that name: no zip, so no 2 GiB
        ("PATCH", "/v1/subjects/verify", 413),
        ("POST", "/v1/unknowns/samples/merge", 413),
        ("GET", "/v1/runs/x/zip", 413),
        ("POST", "/v1/runs/x/zip", 400),
        ("POST", "/v1/verify", 400),
    ],
)
def test_many_bytes_only_where_photos_are_brought(tmp_path: Path, method: str, path: str, code: int) -> None:
    state = made_state(tmp_path, zip_bytes=5000, photo_bytes=5000, other_bytes=1000)
    with client_of(state) as client:
        said = client.request(method, path, content=b'{"name":"' + b"x" * 2000 + b'"}')
        assert said.status_code == code, said.text


def test_the_pace_is_the_keys_own(tmp_path: Path) -> None:
    pace = Pace(60)
    assert [pace.take("a", 0.0) for _ in range(10)] == [0.0] * 10
    assert pace.take("a", 0.0) == pytest.approx(1.0)
    assert pace.take("b", 0.0) == 0.0
    assert pace.take("a", 1.0) == 0.0
    with client_of(made_state(tmp_path, per_minute=6)) as client:
        assert client.get("/v1/subjects").status_code == 200
        said = client.get("/v1/subjects")
        assert (said.status_code, said.json()["error"]) == (429, "rate_limited")
        assert int(said.headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200


def test_a_body_is_counted_while_it_comes(tmp_path: Path) -> None:
    taken = 0

    def parts() -> Iterator[bytes]:
        nonlocal taken
        yield b'--x\r\ncontent-disposition: form-data; name="photos"; filename="a.png"\r\n\r\n'
        for _ in range(1000):
            taken += 1
            yield bytes(1000)

    with client_of(made_state(tmp_path, photo_bytes=50_000)) as client:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        said = client.post("/v1/identify", content=parts(), headers=headers)
        assert (said.status_code, said.json()["error"]) == (413, "body_too_large")
        said = client.post("/v1/identify", content=bytes(60_000), headers=headers)
        assert said.status_code == 413
        assert client.post("/v1/subjects/a/merge", content=bytes(2_000_000)).status_code == 413
    with client_of(made_state(tmp_path / "b", together_bytes=50_000)) as client:
        said = client.post("/v1/identify", content=parts(), headers=headers)
        assert (said.status_code, said.json()["error"]) == (503, "overloaded")
    with client_of(made_state(tmp_path / "c", photos=1)) as client:
        files = [("photos", photo(tmp_path, RED))] * 2
        assert client.post("/v1/identify", files=files).json()["error"] == "body_too_large"


def test_the_log_is_json_and_names_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = made_state(tmp_path)
    shown = key_for(state, Role.OPERATOR, "grace")

    def broken(*_: object) -> None:
        raise ZeroDivisionError("Hopper")

    with caplog.at_level(logging.INFO, "knownface.api"), client_of(state, shown) as client:
        client.post("/v1/subjects/Hopper/samples", files=[("photos", photo(tmp_path, RED, name="Hopper.png"))])
        client.get("/v1/subjects/Hopper?search=Hopper", headers={"X-Request-Id": "mine-1"})
        state.services.stages_note = broken  # type: ignore[method-assign,assignment]
        state.services.acting_as = lambda _: state.services  # type: ignore[method-assign]
        said = client.get("/v1/models/status")
    assert (said.status_code, said.json()["error"]) == (500, "internal")
    assert "Hopper" not in said.text
    lines = [AsJson().format(record) for record in caplog.records]
    rows = [json.loads(line) for line in lines]
    assert [row["status"] for row in rows] == [201, 200, 500]
    assert rows[1]["request_id"] == "mine-1"
    assert rows[1]["route"] == "/v1/subjects/{name}"
    assert rows[2]["error"] == "ZeroDivisionError"
    for word in ("Hopper", "grace", shown, "127.0.0.1"):
        assert not any(word in line for line in lines), word


def test_refused_keys_stand_in_the_audit_log_together(tmp_path: Path) -> None:
    state = made_state(tmp_path)
    shown = key_for(state, Role.ADMIN, "door")
    with client_of(state) as client:
        for secret in ("kf_a_b", f"{shown}x", "nonsense"):
            answer = client.get("/v1/subjects", headers={"Authorization": f"Bearer {secret}"})
            assert answer.status_code == 401
        assert client.get("/v1/subjects").status_code == 401, "who shows nothing tries nothing"
        state.refusals.flush()
        details = [json.loads(entry.detail) for entry in state.services.gallery.audit(action="login_refused")]
    assert details == [{"way": "key", "refused": 1}, {"way": "key", "refused": 2, "of": {"door": 1}}]
