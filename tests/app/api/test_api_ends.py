"""How a server ends: killed, it loses nothing that it acknowledged; told to end, it finishes what it took."""

from __future__ import annotations

import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from app.client import Client, Local, Retry
from app.runs.ledger import Ledger
from pipeline.errors import ServiceUnreachableError
from tests.api_child import child, free_port
from tests.api_server import made_state
from tests.fakes import GREEN, RED, bars

_CLIENTS, _EACH = 4, 20


def _wait_for(file: Path) -> None:
    until = time.monotonic() + 180
    while not file.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.slow
def test_kill_9_amid_enrolments_loses_none_that_was_acknowledged(tmp_path: Path) -> None:
    port = free_port()
    patient = Retry(tries=600, longest_s=0.5)
    acknowledged: list[tuple[str, str]] = []

    def enrol(number: int) -> None:
        with Client(f"http://127.0.0.1:{port}", retry=patient) as there:
            for photo in range(_EACH):
                name = f"subject {number}-{photo}"
                (row,) = there.enrol(name, [bars((20 + number, 20 + photo, 200))])
                assert row.sample_id
                acknowledged.append((name, row.sample_id))

    with ThreadPoolExecutor(_CLIENTS) as pool:
        with child(tmp_path, port):
            clients = [pool.submit(enrol, number) for number in range(_CLIENTS)]
            _wait_until(acknowledged, 0.4, clients)
        # the context has killed it; the clients go on by themselves
        with child(tmp_path, port) as process, Client(f"http://127.0.0.1:{port}") as there:
            for client in clients:
                client.result()
            assert len(acknowledged) == _CLIENTS * _EACH
            assert {one.name for one in there.subjects()} == {name for name, _ in acknowledged}
            for name, sample_id in acknowledged:
                assert [one.id for one in there.subject(name).samples] == [sample_id]
            assert there.verify_audit().findings == ()
            process.terminate()
            assert process.wait(180) == 0


def _wait_until(acknowledged: list[tuple[str, str]], share: float, clients: list[Future[None]]) -> None:
    until = time.monotonic() + 180
    while len(acknowledged) < share * _CLIENTS * _EACH and not all(client.done() for client in clients):
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.slow
def test_told_to_end_it_finishes_what_it_took_and_takes_nothing_new(tmp_path: Path) -> None:
    port, once = free_port(), Retry(tries=1)
    url, gate = f"http://127.0.0.1:{port}", tmp_path / "gate"
    with ThreadPoolExecutor(2) as pool, child(tmp_path, port) as process, Client(url, retry=once) as there:
        there.enrol("Before", [bars(GREEN)])
        with Ledger(tmp_path / "home", "summer") as ledger:
            ledger.set_meta(state="running")
            events = there.follow("summer")
            assert next(events).state == "running"
            gate.touch()
            under_way = pool.submit(there.enrol, "Ada", [bars(RED)])
            _wait_for(tmp_path / "entered")
            process.send_signal(signal.SIGTERM)
            with pytest.raises(ServiceUnreachableError):  # they end, and are asked for no more
                list(events)
            with Client(url, retry=once) as late:
                _wait_until_refused(late)
        assert process.poll() is None
        assert not under_way.done()
        gate.unlink()
        (row,) = under_way.result(60)
        assert process.wait(180) == 0
    with Local(made_state(tmp_path).services) as here:
        assert [one.id for one in here.subject("Ada").samples] == [row.sample_id]
        assert [one.name for one in here.subjects()] == ["Ada", "Before"]


def _wait_until_refused(late: Client) -> None:
    until = time.monotonic() + 180
    while True:
        assert time.monotonic() < until
        try:
            list(late.subjects())
        except ServiceUnreachableError:
            return
        time.sleep(0.01)
