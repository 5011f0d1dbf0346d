"""A retried enrolment enrols once, through restarts; and nothing that is kept names anybody."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from app.api.idempotency import KEPT_S, Outcome, Requests, fingerprint
from app.api.problems import RefusedError
from tests.api_server import client_of, made_state, photo
from tests.asgi import TestClient
from tests.fakes import BLUE, GREEN, RED


def enrol(client: TestClient, key: str, *photos: Any, name: str = "Ada", **data: str) -> Any:
    files = [("photos", one) for one in photos]
    return client.post(f"/v1/subjects/{name}/samples", files=files, data=data, headers={"Idempotency-Key": key})


def test_a_retried_request_enrols_once_and_answers_alike(tmp_path: Path) -> None:
    photos = [photo(tmp_path, RED, name="a.png"), photo(tmp_path, RED, GREEN, name="b.png")]
    with client_of(made_state(tmp_path)) as client:
        first = enrol(client, "k1", *photos)
        assert first.status_code == 201
        sample = first.json()["enrolled"][0]["sample_id"]
        client.delete(f"/v1/subjects/Ada/samples/{sample}")
    with client_of(made_state(tmp_path)) as client:  # the server was started again
        again = enrol(client, "k1", *photos)
        assert again.status_code == 201
        assert again.json()["enrolled"] == first.json()["enrolled"]
        assert [row["error"] for row in again.json()["failed"]] == ["several_faces"]
        assert client.get("/v1/subjects").json()["subjects"] == [], "it was not enrolled again"
    kept = (tmp_path / "home" / "api.sqlite3").read_bytes()
    for word in (b"Ada", b"a.png", b"k1\x00"):
        assert word not in kept


def test_another_request_under_the_key_is_refused(tmp_path: Path) -> None:
    one = photo(tmp_path, RED)
    with client_of(made_state(tmp_path)) as client:
        assert enrol(client, "k1", one).status_code == 201
        for said in (
            enrol(client, "k1", photo(tmp_path, BLUE)),
            enrol(client, "k1", one, name="Bob"),
            enrol(client, "k1", one, face="1"),
        ):
            assert (said.status_code, said.json()["error"]) == (422, "key_reused")
        assert enrol(client, "k2", one).status_code == 200


def test_nothing_enrolled_leaves_the_key_free(tmp_path: Path) -> None:
    with client_of(made_state(tmp_path)) as client:
        assert enrol(client, "k1", photo(tmp_path, RED, GREEN)).status_code == 422
        assert enrol(client, "k1", photo(tmp_path, RED)).status_code == 201


def test_records_live_a_day_and_belong_to_their_actor(tmp_path: Path) -> None:
    time = 1000.0
    requests = Requests(tmp_path, lambda: time)
    print_ = fingerprint({"subject": "Ada"}, [("a", b"1")])
    assert requests.begin("ada", "k", print_) is None
    with pytest.raises(RefusedError) as refused:
        requests.begin("ada", "k", print_)
    assert refused.value.code == "key_in_progress"
    assert requests.begin("bob", "k", fingerprint({}, [])) is None
    assert Requests(tmp_path, lambda: time).begin("ada", "k", print_) is None, "the process before was killed"
    requests.finish("ada", "k", [Outcome("s1")])
    assert requests.begin("ada", "k", print_) == [Outcome("s1")]
    time += KEPT_S + 1
    assert requests.begin("ada", "k", fingerprint({}, [])) is None


def test_the_same_request_at_the_same_time_is_done_once(tmp_path: Path) -> None:
    one, said = photo(tmp_path, RED), []
    with client_of(made_state(tmp_path)) as client:
        threads = [threading.Thread(target=lambda: said.append(enrol(client, "k1", one))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {answer.status_code for answer in said} <= {201, 409}
        assert any(answer.status_code == 201 for answer in said)
        (row,) = client.get("/v1/subjects").json()["subjects"]
        assert row["samples"] == 1
