"""Refused log-ins in the audit log: every one is counted, and no attack makes more than an entry a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from app.refusals import Refusals
from pipeline.errors import GalleryBusyError, KeyRefusedError, LoginRefusedError


class Log:
    """A clock, and what was written."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.entries: list[tuple[str, str, dict[str, Any]]] = []

    def record(self, action: str, target: str, detail: Mapping[str, Any]) -> None:
        self.entries.append((action, target, dict(detail)))

    def total(self) -> int:
        return sum(detail["refused"] for action, _, detail in self.entries if action == "login_refused")


@pytest.fixture
def log() -> Log:
    return Log()


def refusals(log: Log, interval_s: float = 60.0) -> Refusals:
    return Refusals(log.record, interval_s, lambda: log.at)


def wrong(user: str = "", lock_s: float = 0.0) -> LoginRefusedError:
    return LoginRefusedError("the name or the password is wrong", user=user, lock_s=lock_s)


def test_a_single_guess_is_written_at_once_and_names_who_there_is(log: Log) -> None:
    refusals(log).refused("password", wrong("ada"))
    assert log.entries == [("login_refused", "", {"way": "password", "refused": 1, "of": {"ada": 1}})]


def test_an_attack_of_any_size_makes_an_entry_a_minute_and_every_guess_is_counted(log: Log) -> None:
    made = refusals(log)
    for second in range(600):
        log.at = 1000.0 + second
        for _ in range(20):
            made.refused("password", wrong("ada" if second % 2 else ""))
    made.flush()
    assert log.total() == 12_000
    assert 10 <= len(log.entries) <= 12
    assert sum(detail["of"]["ada"] for _, _, detail in log.entries if "of" in detail) == 6_000


def test_names_that_nobody_has_are_never_written(log: Log) -> None:
    made = refusals(log)
    made.refused("password", wrong("", lock_s=60.0))
    made.refused("key", KeyRefusedError("no such key"))
    made.refused("provider")
    made.flush()
    assert [action for action, _, _ in log.entries] == ["login_refused"] * 3
    assert not any("of" in detail for _, _, detail in log.entries)


def test_a_lock_of_a_user_is_an_entry_of_its_own(log: Log) -> None:
    made = refusals(log)
    made.refused("password", wrong("ada"))
    made.refused("password", wrong("ada", lock_s=60.0))
    assert log.entries[1:] == [("lockout", "user:ada", {"seconds": 60})]


def test_ways_are_told_apart_and_keys_are_named(log: Log) -> None:
    made = refusals(log)
    made.refused("key", KeyRefusedError("ended", key="door"))
    for _ in range(3):
        made.refused("key", KeyRefusedError("ended", key="door"))
    made.refused("password", wrong())
    made.flush()
    assert [detail for _, _, detail in log.entries] == [
        {"way": "key", "refused": 1, "of": {"door": 1}},
        {"way": "key", "refused": 3, "of": {"door": 3}},
        {"way": "password", "refused": 1},
    ]


def test_what_was_counted_is_written_though_nobody_asks_any_more() -> None:
    log = Log()
    made = Refusals(log.record, interval_s=0.05)
    made.refused("password", wrong())
    made.refused("password", wrong())
    for _ in range(6000):
        if log.total() == 2:
            break
        time.sleep(0.01)
    assert log.total() == 2


def test_many_threads_lose_none(log: Log) -> None:
    made = refusals(log)
    threads = [
        threading.Thread(target=lambda: [made.refused("password", wrong("ada")) for _ in range(200)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.flush()
    assert log.total() == 1600


def test_a_log_that_cannot_be_written_keeps_nobody_outside(caplog: pytest.LogCaptureFixture) -> None:
    def busy(*_: object) -> None:
        raise GalleryBusyError("busy")

    Refusals(busy).refused("password", wrong("ada", lock_s=60.0))
    assert "could not be written into the audit log: gallery_busy" in caplog.text
