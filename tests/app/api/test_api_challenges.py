"""A challenge over the service: made, answered once by a video, judged by the same rules as on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from app.access import Role
from app.api.state import State
from app.video.asked import ask
from pipeline.challenge import STEPS, ChallengePolicy
from pipeline.types import Image
from tests.api_server import client_of, key_for, made_state
from tests.asgi import TestClient
from tests.fakes import RED, bars
from tests.videos import LOSSLESS, write_video

Part = tuple[str, bytes, str]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return made_state(tmp_path)


@pytest.fixture
def client(state: State) -> Iterator[TestClient]:
    with client_of(state) as made:
        yield made


def film(folder: Path, picture: Image, frames: int = 10, rate: int = 15) -> Part:
    """A video that shows one picture."""
    file = write_video(folder / "made.mkv", [picture] * frames, rate=rate, codec=LOSSLESS)
    return "me.mkv", file.read_bytes(), "video/x-matroska"


def test_what_to_do_is_said_and_a_video_is_judged_once(client: TestClient, state: State, tmp_path: Path) -> None:
    said = client.post("/v1/challenges")
    assert said.status_code == 201
    made = said.json()
    assert set(made["steps"]) <= set(STEPS) - {"blink"}
    assert len(made["say"]) == 1 + len(made["steps"]) == 4
    assert made["say"][0].endswith("hold still")
    left = datetime.fromisoformat(made["expires"]) - datetime.now(UTC)
    assert timedelta(seconds=60) < left <= timedelta(seconds=ChallengePolicy().valid_s)
    where = f"/v1/challenges/{made['id']}/video"
    bad = client.post(where, files={"video": ("a.mp4", b"no video", "video/mp4")})
    assert (bad.status_code, bad.json()["error"]) == (422, "video_format")
    assert bad.json()["detail"].startswith("a.mp4: ")
    nobody = client.post(where, files={"video": film(tmp_path, np.zeros((60, 80, 3), np.uint8))})
    assert nobody.status_code == 200, "what was no video did not use the challenge up"
    answer = nobody.json()
    assert (answer["followed"], answer["failure"], answer["identity"]) == (False, "no_face", None)
    assert "no face was seen" in answer["reason"]
    again = client.post(where, files={"video": film(tmp_path, bars(RED))})
    assert (again.status_code, again.json()["error"]) == (409, "challenge_refused")
    assert list((state.services.settings.home / "challenges").iterdir()) == []
    still = client.post("/v1/challenges").json()["id"]
    seen = client.post(f"/v1/challenges/{still}/video", files={"video": film(tmp_path, bars(RED), 30)})
    assert seen.json()["failure"] == "unfinished", "a face that keeps still did nothing of what was asked"


def test_a_video_that_was_not_recorded_for_it_or_comes_late_is_refused(
    client: TestClient, state: State, tmp_path: Path
) -> None:
    long = film(tmp_path, bars(RED), 60)
    fresh = client.post("/v1/challenges").json()["id"]
    early = client.post(f"/v1/challenges/{fresh}/video", files={"video": long})
    assert early.json()["error"] == "challenge_refused"
    assert "not recorded for it" in early.json()["detail"]
    home, before = state.services.settings.home, datetime.now(UTC) - timedelta(seconds=600)
    old = ask(home, ChallengePolicy(), before).nonce
    late = client.post(f"/v1/challenges/{old}/video", files={"video": film(tmp_path, bars(RED))})
    assert (late.status_code, "has ended" in late.json()["detail"]) == (409, True)
    for name in ("0" * 32, "..%2Fsettings", "x"):
        other = client.post(f"/v1/challenges/{name}/video", files={"video": film(tmp_path, bars(RED))})
        assert (other.status_code, other.json()["error"]) == (409, "challenge_refused")


def test_no_more_bytes_and_no_more_at_once_than_may_be(tmp_path: Path) -> None:
    state = made_state(tmp_path, video_bytes=2000, videos=1)
    with client_of(state) as client:
        where = f"/v1/challenges/{client.post('/v1/challenges').json()['id']}/video"
        large = client.post(where, files={"video": ("a.mp4", bytes(3000), "video/mp4")})
        assert (large.status_code, large.json()["error"]) == (413, "body_too_large")
        with state.videos:
            busy = client.post(where, files={"video": ("a.mp4", bytes(100), "video/mp4")})
        assert (busy.status_code, busy.json()["error"]) == (503, "overloaded")
        after = client.post(where, files={"video": ("a.mp4", bytes(100), "video/mp4")})
        assert after.json()["error"] == "video_format", "the place is free again"


def test_a_viewer_may_and_without_a_key_nobody(tmp_path: Path) -> None:
    state = made_state(tmp_path)
    shown = key_for(state, Role.VIEWER)
    with client_of(state) as nobody:
        assert nobody.post("/v1/challenges").status_code == 401
        assert nobody.post(f"/v1/challenges/{'0' * 32}/video", files={"video": b"x"}).status_code == 401
    with client_of(state, shown) as client:
        assert client.post("/v1/challenges").status_code == 201
