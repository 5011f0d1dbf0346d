"""API keys: what is kept of them, and who gets in."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.access import Role
from app.access.keys import Keys
from app.access.users import Users
from pipeline.errors import KeyExistsError, KeyNotFoundError, KeyRefusedError, UserExistsError

START = 1_800_000_000.0
GOOD = "correct horse battery"


class Clock:
    time = START

    def __call__(self) -> float:
        return self.time


def test_a_key_lets_its_actor_in_and_its_secret_is_not_kept(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    assert not keys.any()
    key, shown = keys.add("Robot", Role.OPERATOR)
    found, actor = keys.actor(shown)
    assert (found, actor.name, actor.role) == (key, "robot", Role.OPERATOR)
    assert keys.any()
    assert shown.rpartition("_")[2].encode() not in keys.file.read_bytes()
    assert stat.S_IMODE(keys.file.stat().st_mode) == 0o600


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    with pytest.raises(KeyRefusedError):
        keys.actor("kf_a_b")
    _, shown = keys.add("robot", Role.VIEWER)
    other = Keys(tmp_path).add("other", Role.ADMIN)[1]
    head, tail = shown.rsplit("_", 1)[0], other.split("_", 2)[2]
    for wrong in ("", "kf", shown[:-1], shown + "x", f"{head}_{tail}", shown.upper(), "kf_é_\ud800"):
        with pytest.raises(KeyRefusedError):
            keys.actor(wrong)


def test_a_key_ends(tmp_path: Path) -> None:
    clock = Clock()
    keys = Keys(tmp_path, clock)
    until = datetime.fromtimestamp(START, UTC) + timedelta(hours=1)
    _, shown = keys.add("robot", Role.VIEWER, until)
    keys.actor(shown)
    clock.time += 3600
    with pytest.raises(KeyRefusedError):
        keys.actor(shown)
    assert [key.ended for key in keys.all()] == [True]
    assert keys.any(), "a key that has ended opens the door to nobody"
    with pytest.raises(KeyRefusedError):
        keys.add("late", Role.VIEWER, until)


def test_names_stand_for_one_key_or_user(tmp_path: Path) -> None:
    keys, users = Keys(tmp_path), Users(tmp_path)
    keys.add("robot", Role.VIEWER)
    users.add("ada", Role.VIEWER, GOOD)
    for name in ("ROBOT", "ada"):
        with pytest.raises(KeyExistsError):
            keys.add(name, Role.ADMIN)
    with pytest.raises(UserExistsError):
        users.add("robot", Role.ADMIN, GOOD)
    keys.remove("Robot")
    with pytest.raises(KeyNotFoundError):
        keys.remove("robot")
