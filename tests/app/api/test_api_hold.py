"""A legal hold over REST: every address that erases refuses, and nothing is gone."""

from __future__ import annotations

from pathlib import Path

from app.access import Role
from tests.api_server import client_of, key_for, made_state, photo
from tests.fakes import GREEN, RED
from tests.made_runs import decide_by_name, made_run


def test_a_legal_hold_blocks_every_address_that_erases(tmp_path: Path) -> None:
    state = made_state(tmp_path)
    with client_of(state, key_for(state, Role.ADMIN)) as client:
        for name, colour in (("Ada", RED), ("Bob", GREEN)):
            files = [("photos", photo(tmp_path, colour, name=f"{name}.png"))]
            assert client.post(f"/v1/subjects/{name}/samples", files=files).status_code == 201
        run = made_run(state.services.settings.home, "r", {"/photos/a.jpg": ["Ada"]})
        decide_by_name(run, ["Ada"])
        [sample] = client.get("/v1/subjects/Ada").json()["samples"]
        state.services.hold("Ada", "case 12")
        for method, path, body in (
            ("DELETE", "/v1/subjects/Ada", None),
            ("DELETE", f"/v1/subjects/Ada/samples/{sample['id']}", None),
            ("POST", "/v1/subjects/Ada/erasure", {}),
            ("POST", "/v1/subjects/Ada/merge", {"into": "Bob"}),
            ("DELETE", "/v1/runs/r", None),
        ):
            answer = client.request(method, path, json=body)
            assert (answer.status_code, answer.json()["error"]) == (409, "legal_hold"), path
        assert client.get("/v1/subjects/Ada").json()["samples"] == [sample]
        assert client.get("/v1/runs/r").json()["faces"] == 1
        state.services.release("Ada")
        assert client.delete("/v1/runs/r").status_code == 200
        assert client.post("/v1/subjects/Ada/erasure", json={}).json()["complete"]
