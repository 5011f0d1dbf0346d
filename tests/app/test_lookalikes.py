"""Photos that look like somebody else, or unlike their subject: warned of, and refused where that is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.api.idempotency import Outcome, Warned
from app.api.state import State
from app.lookalikes import Likeness, likeness
from app.outcomes import Enrolment, EnrolmentWarning
from app.policy import Policy
from app.services import Services
from pipeline.calibration.records import KIND
from pipeline.errors import LookalikeError, NoOperatingPointError
from pipeline.gallery import NewSample
from pipeline.images import from_array
from pipeline.types import Decision
from tests.api_server import client_of, made_state, photo
from tests.asgi import TestClient
from tests.fakes import BLUE, GREEN, MODEL_ID, RED, THRESHOLD, bars, vector_of, write_bars


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = made_state(tmp_path)
    yield made
    made.close()


@pytest.fixture
def services(state: State) -> Services:
    return state.services


def under(services: Services, text: str) -> Services:
    """The services under a policy that says so of enrolment."""
    services.__dict__["policy"] = Policy(name="ours", **json.loads(text))
    return services


def enrolled(services: Services, folder: Path, name: str, *colours: tuple[int, int, int], note: int = 0) -> Enrolment:
    file = write_bars(folder / f"{name}-{colours[0]}-{note}.png", *colours, note=note)
    (row,) = services.enrol(name, [file])
    return row


def test_a_photo_of_somebody_who_is_enrolled_under_another_name_is_enrolled_with_a_warning(
    services: Services, tmp_path: Path
) -> None:
    assert enrolled(services, tmp_path, "Ada", RED).warnings == (), "nobody is there to look like"
    assert enrolled(services, tmp_path, "Bob", GREEN).warnings == ()
    assert enrolled(services, tmp_path, "Ada", RED, note=1).warnings == (), "like herself"
    row = enrolled(services, tmp_path, "Eve", RED, note=2)
    assert row.sample_id is not None
    (warning,) = row.warnings
    assert (warning.kind, warning.subject, warning.threshold) == ("looks_like", "Ada", THRESHOLD)
    assert warning.score == pytest.approx(1.0)
    assert warning.message == "looks like 'Ada', who is enrolled too (score 1.000, threshold 0.700)"
    assert services.gallery.subject("Eve").info.samples == 1


def test_a_photo_unlike_its_subject_is_warned_of_and_of_whom_it_shows(services: Services, tmp_path: Path) -> None:
    enrolled(services, tmp_path, "Ada", RED)
    enrolled(services, tmp_path, "Bob", GREEN)
    (only,) = enrolled(services, tmp_path, "Ada", BLUE).warnings
    score = float(vector_of(RED) @ vector_of(BLUE))
    assert (only.kind, only.subject, only.threshold) == ("unlike", "Ada", THRESHOLD)
    assert only.score == pytest.approx(score, abs=1e-6)
    both = enrolled(services, tmp_path, "Ada", GREEN, note=3).warnings
    assert [(one.kind, one.subject) for one in both] == [("looks_like", "Bob"), ("unlike", "Ada")]
    own = max(float(vector_of(GREEN) @ vector_of(colour)) for colour in (RED, BLUE))
    assert both[1].score == pytest.approx(own, abs=1e-6), "with the best of her photos, found or not"


def test_one_of_many_who_resemble_is_held_against_their_own_photos(services: Services) -> None:
    """More resemble the photo than a search would return: the subject's own score is read, not guessed."""
    rng = np.random.default_rng(7)
    near = vector_of(RED) + rng.normal(0, 0.01, (30, 32)).astype(np.float32)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    for number, row in enumerate(near):
        where = ((0.0, 0.0, 40.0, 60.0), np.zeros((5, 2), np.float32), 0.9, (60, 40))
        sample = NewSample("made", f"{number:064x}", *where, row, 1.0)
        services.gallery.enrol(f"Double {number}", [sample])
    far = max(range(30), key=lambda number: -float(near[number] @ vector_of(RED)))
    found = services.likeness(services.recognizer.analyse(from_array(bars(RED))), f"Double {far}")
    assert found is not None
    assert found.own == pytest.approx(float(near[far] @ vector_of(RED)), abs=1e-5)
    assert found.unlike is None
    assert all(one.subject != f"Double {far}" for one in found.others)


def test_look_alikes_are_refused_where_that_is_asked_for(services: Services, tmp_path: Path) -> None:
    enrolled(services, tmp_path, "Ada", RED)
    file = write_bars(tmp_path / "eve.png", RED, note=1)
    (row,) = services.enrol("Eve", [file], refuse_lookalikes=True)
    assert isinstance(row.error, LookalikeError)
    assert (row.error.subject, row.sample_id) == ("Ada", None)
    assert row.error.message.startswith(f"{file}: looks like 'Ada'")
    under(services, '{"enrolment": {"lookalikes": "refuse"}}')
    rows = list(services.enrol_many([("Eve", file), ("Ada", file), ("Bob", write_bars(tmp_path / "b.png", GREEN))]))
    assert [row.error and row.error.code for row in rows] == ["looks_like_another", None, None]
    (unlike,) = enrolled(services, tmp_path, "Bob", BLUE).warnings
    assert unlike.kind == "unlike", "that is a warning even then"
    under(services, '{"enrolment": {"lookalikes": "off"}}')
    assert enrolled(services, tmp_path, "Eve", RED, note=4).warnings == ()


def test_without_an_operating_point_there_is_no_warning_and_no_enrolling_where_they_are_refused(
    services: Services, tmp_path: Path
) -> None:
    enrolled(services, tmp_path, "Ada", RED)
    services.__dict__["points"] = ()
    assert services.gallery.document(KIND) is None
    row = enrolled(services, tmp_path, "Eve", RED, note=1)
    assert (row.error, row.warnings) == (None, ())
    with pytest.raises(NoOperatingPointError):
        services.enrol("Mallory", [write_bars(tmp_path / "m.png", RED, note=2)], refuse_lookalikes=True)
    assert {info.name for info in services.gallery.subjects()} == {"Ada", "Eve"}


def test_where_searches_are_logged_so_is_this_one(services: Services, tmp_path: Path) -> None:
    under(services, '{"audit": {"decisions": "each"}}')
    enrolled(services, tmp_path, "Ada", RED)
    enrolled(services, tmp_path, "Eve", RED, note=1)
    (entry,) = services.gallery.audit(action="enrol_check")
    ((decision,),) = [one["decisions"] for one in json.loads(entry.detail)["each"]]
    assert decision == ["match", services.gallery.subject_id("Ada")]
    assert "Ada" not in entry.detail


def test_nobody_enrolled_is_like_nobody(services: Services) -> None:
    face = services.recognizer.analyse(from_array(bars(RED)))
    assert likeness(services, face, "Ada") is None


def test_two_who_match_are_both_named_and_the_subject_is_not_warned_of() -> None:
    said = Decision("ambiguous", 0.8, 0.7, "", MODEL_ID, runner_up=("Bob", 0.79), best=("Ada", 0.8))
    found = Likeness(said, "Cy", None, 0.6)
    assert [one.subject for one in found.warnings()] == ["Ada", "Bob"]
    with pytest.raises(LookalikeError):
        found.require_nobody_else("x.jpg")
    of_ada, of_bob = replace(found, subject="Ada", own=0.8), replace(found, subject="Bob", own=0.79)
    assert [one.subject for one in of_ada.warnings()] == ["Bob"]
    of_ada.require_nobody_else("x.jpg")  # she is the best match herself
    with pytest.raises(LookalikeError):
        of_bob.require_nobody_else("x.jpg")
    below = Likeness(replace(said, kind="unknown"), "Cy", 0.6, 0.6)
    assert below.warnings() == (), "a score that just reaches the threshold fits"


# --- over REST ------------------------------------------------------------------------------------------------


def sent(client: TestClient, folder: Path, name: str, note: int, key: str = "", **form: str) -> tuple[int, dict]:
    headers = {"Idempotency-Key": key} if key else {}
    files = [("photos", photo(folder, RED, name=f"{note}.png", note=note))]
    said = client.post(f"/v1/subjects/{name}/samples", files=files, data=form, headers=headers)
    return said.status_code, said.json()


def test_the_service_says_so_again_under_the_same_key_and_keeps_no_name(state: State, tmp_path: Path) -> None:
    with client_of(state) as client:
        sent(client, tmp_path, "Ada", 0)
        status, first = sent(client, tmp_path, "Eve", 1, "k1")
        assert status == 201
        (warning,) = first["enrolled"][0]["warnings"]
        assert (warning["kind"], warning["subject"]) == ("looks_like", "Ada")
        assert sent(client, tmp_path, "Eve", 1, "k1") == (201, first)
        kept = (state.services.settings.home / "api.sqlite3").read_bytes()
        assert b"Ada" not in kept
        status, refused = sent(client, tmp_path, "Mallory", 2, refuse_lookalikes="true")
        assert (status, refused["error"]) == (409, "looks_like_another")
        client.delete("/v1/subjects/Ada")
        _, again = sent(client, tmp_path, "Eve", 1, "k1")
        (warning,) = again["enrolled"][0]["warnings"]
        assert (warning["subject"], "Ada" in warning["message"]) == (None, False)


def test_what_an_older_version_kept_of_a_request_is_read() -> None:
    assert Outcome.of({"sample_id": "s", "already": False, "error": None}) == Outcome("s")
    one = Outcome("s", warned=(Warned("unlike", "u", 0.1, 0.7),))
    as_kept = {"sample_id": "s", "warned": [{"kind": "unlike", "subject_id": "u", "score": 0.1, "threshold": 0.7}]}
    assert Outcome.of(as_kept) == one


def test_a_warning_is_one_line_whatever_the_name() -> None:
    assert "\n" not in EnrolmentWarning("looks_like", "A\nB", 0.8, 0.7).message
