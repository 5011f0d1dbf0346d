"""Local users: hashes, lock-out, and what a file gives away."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from app.access import Actor, Role, passwords
from app.access.users import ATTEMPTS, LOCK_S, Users
from pipeline.errors import (
    AccessError,
    LoginRefusedError,
    PasswordRefusedError,
    UserExistsError,
    UserNameError,
    UserNotFoundError,
)

GOOD = "correct horse battery"


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def users(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Users:
    """Users whose hashes are cheap."""
    from argon2 import PasswordHasher

    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: cheap)
    passwords._nobody.cache_clear()
    return Users(tmp_path / "home", clock)


def test_a_user_logs_in_with_any_capitals(users: Users) -> None:
    assert not users.any()
    assert users.all() == []
    assert users.add("Ada@Example.org", Role.OPERATOR, GOOD) == "ada@example.org"
    assert users.any()
    assert users.log_in(" ADA@example.org", GOOD) == Actor("ada@example.org", Role.OPERATOR)
    assert [(user.name, user.role, user.locked_s) for user in users.all()] == [("ada@example.org", Role.OPERATOR, 0.0)]


def test_the_file_is_the_owners_and_holds_no_password(users: Users) -> None:
    users.add("ada", Role.ADMIN, GOOD)
    assert stat.S_IMODE(users.file.stat().st_mode) == 0o600
    data = users.file.read_bytes()
    assert GOOD.encode() not in data
    assert b"$argon2id$" in data
    users.remove("ada")
    assert b"$argon2id$" not in users.file.read_bytes(), "what was removed is overwritten"


def test_wrong_passwords_lock_a_name_for_longer_and_longer(users: Users, clock: Clock) -> None:
    users.add("ada", Role.VIEWER, GOOD)
    for _ in range(ATTEMPTS):
        with pytest.raises(LoginRefusedError, match="is wrong"):
            users.log_in("ada", "wrong")
    with pytest.raises(LoginRefusedError, match=r"again in 1 minute$"):
        users.log_in("ada", GOOD)
    clock.time += LOCK_S + 1
    with pytest.raises(LoginRefusedError, match="is wrong"):
        users.log_in("ada", "wrong")
    with pytest.raises(LoginRefusedError, match="again in 2 minutes"):
        users.log_in("ada", GOOD)
    assert users.all()[0].locked_s == pytest.approx(2 * LOCK_S)
    clock.time += 2 * LOCK_S + 1
    assert users.log_in("ada", GOOD).name == "ada"
    with pytest.raises(LoginRefusedError, match="is wrong"):
        users.log_in("ada", "wrong")  # counting began anew


def test_nobody_learns_which_names_there_are(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    users.add("ada", Role.VIEWER, GOOD)
    hashes: list[str] = []
    verify = passwords._hasher().verify

    class Watched:
        def verify(self, stored: str, password: bytes) -> bool:
            hashes.append(stored)
            return verify(stored, password)

        hash = staticmethod(passwords._hasher().hash)

    monkeypatch.setattr(passwords, "_hasher", Watched)
    said = {}
    for name in ("ada", "nobody", "\u202e"):
        with pytest.raises(LoginRefusedError) as refused:
            users.log_in(name, "wrong")
        said[name] = [str(refused.value)]
        for _ in range(ATTEMPTS - 1):
            with pytest.raises(LoginRefusedError):
                users.log_in(name, "wrong")
        with pytest.raises(LoginRefusedError) as refused:
            users.log_in(name, "wrong")
        said[name].append(str(refused.value))
    assert said["ada"] == said["nobody"] == said["\u202e"]
    assert len(hashes) == 3 * ATTEMPTS, "a hash of the same cost is computed for every name"
    parameters = {stored.rsplit("$", 2)[0] for stored in hashes}
    assert len(parameters) == 1


def test_the_hash_of_nobody_fits_nothing(users: Users) -> None:
    assert not passwords.fits(None, "")
    assert not passwords.fits("not a hash", GOOD)


def test_made_up_names_do_not_fill_the_file(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.access.users._MOST_FAILURES", 3)
    for number in range(6):
        with pytest.raises(LoginRefusedError):
            users.log_in(f"name{number}", "wrong")
    with sqlite3.connect(users.file) as db:
        assert db.execute("select count(*) from failures").fetchone() == (3,)
    db.close()


def test_made_up_names_do_not_unlock_a_real_one(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.access.users._MOST_FAILURES", 3)
    users.add("ada", Role.VIEWER, GOOD)
    for name in ("ada",) * 5 + tuple(f"name{number}" for number in range(9)):
        with pytest.raises(LoginRefusedError):
            users.log_in(name, "wrong")
    with pytest.raises(LoginRefusedError, match="too many attempts"):
        users.log_in("ada", GOOD)


def test_a_role_and_a_password_change_at_once(users: Users) -> None:
    users.add("ada", Role.VIEWER, GOOD)
    users.set_role("ADA", Role.ADMIN)
    assert users.role_of("ada") is Role.ADMIN
    users.set_password("ada", f"{GOOD} staple")
    with pytest.raises(LoginRefusedError):
        users.log_in("ada", GOOD)
    assert users.log_in("ada", f"{GOOD} staple").role is Role.ADMIN
    users.remove("ada")
    assert users.role_of("ada") is None
    assert not users.any()


def test_a_cheap_hash_is_replaced_when_its_owner_comes(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    from argon2 import PasswordHasher

    users.add("ada", Role.VIEWER, GOOD)
    dearer = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: dearer)
    users.log_in("ada", GOOD)
    assert b"t=2" in users.file.read_bytes()


@pytest.mark.parametrize("password", ["", "short", "aaaaaaaaaaaaaaaa", "x" * 2000, "grace.hopper99"])
def test_a_password_that_is_easy_to_guess_is_refused(users: Users, password: str) -> None:
    with pytest.raises(PasswordRefusedError):
        users.add("grace.hopper", Role.VIEWER, password)
    assert not users.any()


@pytest.mark.parametrize("name", ["", "  ", "a b", "-rf", "a\u202eb", "x" * 65, "a\0"])
def test_a_name_that_cannot_be_told_is_refused(users: Users, name: str) -> None:
    with pytest.raises(UserNameError):
        users.add(name, Role.VIEWER, GOOD)


def test_what_is_not_there_or_twice_is_an_error(users: Users) -> None:
    users.add("ada", Role.VIEWER, GOOD)
    with pytest.raises(UserExistsError, match="ada"):
        users.add("ADA", Role.VIEWER, GOOD)
    with pytest.raises(UserNotFoundError, match="grace"):
        users.remove("grace")


def test_a_damaged_file_is_a_named_error(users: Users) -> None:
    users.file.parent.mkdir()
    users.file.write_bytes(b"no database" * 500)
    with pytest.raises(AccessError, match=r"access\.sqlite3"):
        users.any()


def test_the_cost_of_a_real_hash_is_that_of_the_standard() -> None:
    """RFC 9106, section 4: the second recommended option, Argon2id with t = 3, 64 MiB and 4 lanes."""
    hasher = passwords._hasher()
    assert (hasher.time_cost, hasher.memory_cost, hasher.parallelism) == (3, 64 * 1024, 4)
    assert hasher.type.name == "ID"
