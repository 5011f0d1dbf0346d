"""The verbs of the service: what they answer, and that it is what the services say."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.api.state import State
from tests.api_server import client_of, made_state, photo
from tests.asgi import TestClient
from tests.fakes import BLUE, GREEN, RED, WHITE


@pytest.fixture
def state(tmp_path: Path) -> State:
    return made_state(tmp_path)


@pytest.fixture
def client(state: State) -> Iterator[TestClient]:
    with client_of(state) as made:
        yield made


def enrol(client: TestClient, folder: Path, name: str, colour: tuple[int, int, int]) -> str:
    answer = client.post(f"/v1/subjects/{name}/samples", files=[("photos", photo(folder, colour))])
    assert answer.status_code == 201, answer.text
    sample: str = answer.json()["enrolled"][0]["sample_id"]
    return sample


def test_enrol_identify_verify(client: TestClient, tmp_path: Path) -> None:
    sample = enrol(client, tmp_path, "Ada", RED)
    enrol(client, tmp_path, "Bob", GREEN)
    files = [("photos", photo(tmp_path, RED, BLUE, note=1)), ("photos", ("x.png", b"no photo", "image/png"))]
    said = client.post("/v1/identify", files=files).json()
    assert [(row["subject"], row["decision"]) for row in said["faces"]] == [("Ada", "match"), (None, "unknown")]
    assert said["faces"][0]["runner_up"]["subject"] == "Bob"
    assert [(row["photo"], row["error"]) for row in said["errors"]] == [("x.png", "photo_format")]
    pair = {"a": photo(tmp_path, RED), "b": photo(tmp_path, RED, note=1)}
    assert client.post("/v1/verify", files=pair).json()["decision"] == "match"
    pair["b"] = photo(tmp_path, GREEN)
    assert client.post("/v1/verify", files=pair).json()["decision"] == "non_match"
    detail = client.get("/v1/subjects/Ada").json()
    assert [one["id"] for one in detail["samples"]] == [sample]


def test_the_same_photo_again_changes_nothing_and_says_so(client: TestClient, tmp_path: Path) -> None:
    sample = enrol(client, tmp_path, "Ada", RED)
    again = client.post("/v1/subjects/Ada/samples", files=[("photos", photo(tmp_path, RED))])
    assert again.status_code == 200
    assert again.json()["enrolled"] == [
        {"subject": "Ada", "photo": "photo.png", "sample_id": sample, "already": True, "warnings": []}
    ]
    assert client.post("/v1/subjects/Bob/samples", files=[("photos", photo(tmp_path, RED))]).status_code == 409


def test_photos_that_cannot_be_enrolled(client: TestClient, tmp_path: Path) -> None:
    two = photo(tmp_path, RED, GREEN)
    said = client.post("/v1/subjects/Ada/samples", files=[("photos", two)])
    assert (said.status_code, said.json()["error"]) == (422, "several_faces")
    assert said.headers["content-type"] == "application/problem+json"
    said = client.post("/v1/subjects/Ada/samples", files=[("photos", two), ("photos", photo(tmp_path, BLUE, name="b"))])
    assert said.status_code == 201
    assert [row["error"] for row in said.json()["failed"]] == ["several_faces"]
    said = client.post("/v1/subjects/Bob/samples", files=[("photos", two)], data={"face": "2"})
    assert said.status_code == 201
    huge = ("huge.png", b"\x89PNG" + bytes(300_000), "image/png")
    assert client.post("/v1/subjects/Cy/samples", files=[("photos", huge)]).status_code == 413


def test_pages_of_subjects_miss_nobody_while_others_come_and_go(client: TestClient, tmp_path: Path) -> None:
    colours = {"Ada": RED, "Bob": GREEN, "Cy": BLUE, "Dee": WHITE}
    for name, colour in colours.items():
        enrol(client, tmp_path, name, colour)
    first = client.get("/v1/subjects", params={"limit": 2}).json()
    assert [row["subject"] for row in first["subjects"]] == ["Ada", "Bob"]
    assert client.delete("/v1/subjects/Bob").json() == {"removed": "Bob", "samples": 1}
    second = client.get("/v1/subjects", params={"limit": 2, "cursor": first["next"]}).json()
    assert [row["subject"] for row in second["subjects"]] == ["Cy", "Dee"]
    assert second["next"] is None
    half, deep = base64.b64encode(b'"\\ud800"').decode(), base64.b64encode(b"[" * 20_000).decode()
    for cursor in ("?", "bm8", "e30", half, deep):
        assert client.get("/v1/subjects", params={"cursor": cursor}).status_code == 422
    assert [row["subject"] for row in client.get("/v1/subjects?search=CY").json()["subjects"]] == ["Cy"]


def test_rename_merge_and_a_sample_that_goes(client: TestClient, tmp_path: Path) -> None:
    enrol(client, tmp_path, "Ada", RED)
    sample = enrol(client, tmp_path, "Bob", GREEN)
    assert client.patch("/v1/subjects/Bob", json={"name": "Robert"}).json()["subject"] == "Robert"
    assert client.patch("/v1/subjects/Robert", json={"name": "Ada"}).status_code == 409
    assert client.delete(f"/v1/subjects/Ada/samples/{sample}").status_code == 404
    assert client.post("/v1/subjects/Robert/merge", json={"into": "Ada"}).json() == {"samples": 1}
    assert client.delete(f"/v1/subjects/Ada/samples/{sample}").status_code == 200
    assert len(client.get("/v1/subjects/Ada").json()["samples"]) == 1


def test_samples_of_somebody_else_are_moved_to_a_subject_of_their_own(client: TestClient, tmp_path: Path) -> None:
    enrol(client, tmp_path, "Ada", RED)
    other = enrol(client, tmp_path, "Ada", GREEN)
    enrol(client, tmp_path, "Cy", BLUE)
    wrong = client.post("/v1/subjects/Cy/split", json={"samples": [other], "name": "Bob"})
    assert (wrong.status_code, wrong.json()["error"]) == (404, "subject_not_found")
    taken = client.post("/v1/subjects/Ada/split", json={"samples": [other], "name": "Cy"})
    assert (taken.status_code, taken.json()["error"]) == (409, "subject_exists")
    asked = {"samples": [other], "name": "Bob", "consent_purpose": "door"}
    said = client.post("/v1/subjects/Ada/split", json=asked)
    assert said.status_code == 201
    assert (said.json()["subject"], [one["id"] for one in said.json()["samples"]]) == ("Bob", [other])
    assert client.get("/v1/subjects/Bob/consents").json()["consents"][0]["purpose"] == "door"
    assert len(client.get("/v1/subjects/Ada").json()["samples"]) == 1


def test_a_name_with_a_slash_and_signs(client: TestClient, tmp_path: Path) -> None:
    enrol(client, tmp_path, "A%2FB%20%25%3F", RED)
    assert client.get("/v1/subjects").json()["subjects"][0]["subject"] == "A/B %?"
    assert client.get("/v1/subjects/A%2fB%20%25%3F").json()["subject"] == "A/B %?"
    assert client.get("/v1/subjects/A/B").json()["error"] == "not_found"


def test_an_erasure_is_certified(client: TestClient, tmp_path: Path) -> None:
    enrol(client, tmp_path, "Zbigniew Ada", RED)
    said = client.post("/v1/subjects/Zbigniew%20Ada/erasure", json={}).json()
    assert said["complete"]
    assert said["samples"] == 1
    assert "Zbigniew" not in str(said)
    assert client.get("/v1/audit", params={"action": "erase_certificate"}).json()["entries"]


def test_upkeep(client: TestClient, tmp_path: Path) -> None:
    enrol(client, tmp_path, "Ada", RED)
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["status"] == "ready"
    assert client.get("/v1/models").json()["stack"]["embedder"] == "fake.unit"
    assert client.get("/v1/models/status").json()["subjects"] == 1
    assert len(client.get("/v1/calibration").json()["card"]) >= 1
    assert client.get("/v1/audit/verification").json()["whole"]
    page = client.get("/v1/audit", params={"limit": 1}).json()
    assert page["next"] == page["entries"][0]["id"]
    assert client.get("/v1/audit", params={"after": page["next"]}).json()["entries"][0]["id"] > page["next"]
    text = client.get("/metrics").text
    assert 'knownface_api_requests_total{method="POST",route="/v1/subjects/{name}/samples",status="201"} 1.0' in text
    assert "Ada" not in text


def test_what_cannot_be_read_is_a_problem(client: TestClient) -> None:
    for answer, status, code in (
        (client.get("/nothing"), 404, "not_found"),
        (client.put("/v1/verify"), 405, "method_not_allowed"),
        (client.post("/v1/verify", json={}), 400, "body_unreadable"),
        (client.post("/v1/subjects/Ada/merge", content=b"{"), 422, "request_invalid"),
        (client.get("/v1/subjects/Nobody"), 404, "subject_not_found"),
        (client.get("/v1/runs/none"), 404, "run_not_found"),
        (client.get("/v1/unknowns/U-0009"), 404, "unknown_cluster"),
    ):
        said = answer.json()
        assert (answer.status_code, said["error"], said["status"]) == (status, code, status)
        assert answer.headers["x-request-id"] == said["request_id"]
