"""The change of models and the calibration as jobs; the addresses start, follow and stop what the services do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import calibration, calibration_job, jobs
from app.api.state import State
from app.services import Services
from pipeline.config import Settings
from tests.api_server import client_of, made_state, photo
from tests.asgi import TestClient
from tests.fakes import RED


@pytest.fixture
def state(tmp_path: Path) -> State:
    return made_state(tmp_path)


@pytest.fixture
def client(state: State, tmp_path: Path) -> Iterator[TestClient]:
    with client_of(state) as made:
        assert made.post("/v1/subjects/Ada/samples", files=[("photos", photo(tmp_path, RED))]).status_code == 201
        yield made


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Command lines of jobs, which end at once, refused."""
    calls: list[tuple[str, ...]] = []

    def start(job: jobs.Job, arguments: list[str], variables: dict[str, str], **how: Any) -> None:
        calls.append(tuple(arguments))
        job.folder.mkdir(parents=True, exist_ok=True)
        about = {"arguments": arguments, "started": jobs.now(), "discard": False, "by": how["by"]}
        (job.folder / "job.json").write_text(json.dumps(about | {"note": how.get("note", "")}))
        (job.folder / "end.json").write_text(json.dumps({"code": 3, "finished": jobs.now()}))
        job.log.write_text("knownface: too few people\n")

    monkeypatch.setattr(jobs.Job, "start", start)
    return calls


def test_a_calibration_is_started_and_its_refusal_told(client: TestClient, started: list[tuple[str, ...]]) -> None:
    assert client.get("/v1/calibration/job").json()["state"] == "none"
    asked = {"fmr": [0.001, 1e-05], "fpir": [0.01], "size": [5]}
    said = client.post("/v1/calibration", json=asked)
    assert said.status_code == 202
    assert started == [("calibrate", "--fmr", "0.001", "--fmr", "1e-05", "--fpir", "0.01", "--size", "5")]
    now = client.get("/v1/calibration/job").json()
    assert now == said.json()
    assert (now["state"], now["message"]) == ("refused", "too few people")
    assert client.post("/v1/calibration/stop").status_code == 202
    assert client.get("/v1/audit", params={"action": "calibration_job"}).json()["entries"][0]["detail"] == {
        "over": "gallery"
    }


_NOT_TO_BE: list[tuple[dict[str, Any], str]] = [
    ({"fmr": [0]}, "request_invalid"),
    ({"fmr": [1.0]}, "request_invalid"),
    ({"fmr": ["--clear"]}, "request_invalid"),
    ({"folder": "/nowhere"}, "photo_unreadable"),
    ({"folder": "--clear"}, "photo_unreadable"),
    ({"folder": "/", "card": True}, "calibration_refused"),
]


def test_what_cannot_be_calibrated_starts_nothing(client: TestClient, started: list[tuple[str, ...]]) -> None:
    for asked, error in _NOT_TO_BE:
        assert client.post("/v1/calibration", json=asked).json()["error"] == error
        assert started == []


def test_nobody_is_no_data(tmp_path: Path, started: list[tuple[str, ...]]) -> None:
    with client_of(made_state(tmp_path)) as client:
        assert client.post("/v1/calibration", json={}).json()["error"] == "calibration_refused"
        assert client.post("/v1/calibration", json={"card": True, "fpir": [0.1]}).status_code == 422
        assert client.post("/v1/calibration", json={"card": True, "fmr": [0.1]}).status_code == 202
    assert started == [("calibrate", "--fmr", "0.1", "--card")]


@pytest.mark.slow
def test_a_calibration_by_the_card_is_done_by_a_real_process(models_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(models_home / "models")
    services = Services(Settings(home=home, gallery=str(tmp_path / "gallery")))
    calibration_job.start(services, calibration_job.Asked(card=True, fmr=(0.001,)))
    while (now := calibration_job.standing(services)).state == "running":
        time.sleep(0.05)
    assert (now.state, now.message) == ("done", "")
    (point,) = services.calibration()
    assert (point.task, point.source, point.target) == ("verify", "chosen", 0.001)
    assert calibration.clear(services)
    services.close()


def test_a_change_of_models(client: TestClient, started: list[tuple[str, ...]]) -> None:
    assert client.get("/v1/models/change").json()["state"] == "none"
    said = client.post("/v1/models/change", json={"model": "no.such"})
    assert (said.status_code, said.json()["error"]) == (422, "model_unknown")
    assert client.post("/v1/models/change/rollback").json()["error"] == "job_error"
    assert client.post("/v1/models/change/resume").json()["error"] == "job_error"
    said = client.post("/v1/models/change", json={"model": "no-liveness", "leave_behind": True})
    assert (said.status_code, said.json()["model"]) == (202, "no-liveness")
    assert client.post("/v1/models/change/resume").status_code == 202
    assert started == [("models", "use", "no-liveness", "--leave-behind")] * 2
    assert client.get("/v1/models/change").json()["message"] == "too few people"


def test_models_and_points_are_typed(client: TestClient) -> None:
    rows = client.get("/v1/models").json()["models"]
    assert {"name", "task", "licence", "runs_on", "precision", "problem"} <= set(rows[0])
    points = client.get("/v1/calibration").json()
    assert {point["task"] for point in points["card"]} == {"verify", "identify"}
    assert client.delete("/v1/calibration").json() == {"cleared": False}
