"""Who is at the other end of a connection on this machine: nobody else's process is let in where nobody logs in."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from app.access import peer
from app.access.peer import NOBODY, is_another_account, listed

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2198 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 0100007F:9C40 0100007F:1111 01 00000000:00000000 00:00000000 00000000     0        0 9 1 0 20 4 30 10 -1
   2: 0100007F:9C40 0100007F:2198 01 00000000:00000000 00:00000000 00000000  1234        0 2 1 0 20 4 30 10 -1
   3: 0200007F:9C41 0100007F:2198 01 00000000:00000000 00:00000000 00000000  4321        0 2 1 0 20 4 30 10 -1
   4: 0100007F:9C44 0100007F:2198 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0
"""
TABLE6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when ret
   0: 00000000000000000000000001000000:9C42 00000000000000000000000001000000:2198 01 0:0 00:0 0  777  0 2 1 0 20 4 30 1
   1: 0000000000000000FFFF00000100007F:9C43 0000000000000000FFFF00000100007F:2198 01 0:0 00:0 0  778  0 2 1 0 20 4 30 1
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a connection is")
Ask = Callable[[peer._End, peer._End], int | None]
WAYS: list[Ask] = [peer.asked, listed]


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "tcp").write_text(TABLE)
    (tmp_path / "tcp6").write_text(TABLE6)
    return tmp_path / "tcp", tmp_path / "tcp6"


@pytest.mark.parametrize(
    ("client", "port", "server", "uid"),
    [
        ("127.0.0.1", 40000, "127.0.0.1", 1234),  # not the other connection from the same port
        ("127.0.0.2", 40001, "127.0.0.1", 4321),
        ("127.0.0.1", 40001, "127.0.0.1", NOBODY),
        ("127.0.0.1", 40004, "127.0.0.1", NOBODY),  # it was closed: no process holds it
        ("::1", 40002, "::1", 777),
        ("127.0.0.1", 40003, "127.0.0.1", 778),
    ],
)
def test_the_systems_table_says_whose_it_is(
    tables: tuple[Path, Path], client: str, port: int, server: str, uid: int
) -> None:
    assert listed((ip_address(client), port), (ip_address(server), 0x2198), tables) == uid


def test_where_the_system_does_not_say_it_nobody_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = (ip_address("127.0.0.1"), 40000)
    assert listed(end, end, [tmp_path / "no"]) is None
    monkeypatch.setattr(peer, "uid_of", lambda *_: None)
    assert not is_another_account(("127.0.0.1", 40000), ("127.0.0.1", 8600))
    assert is_another_account(None, ("127.0.0.1", 8600))  # gone before the server could ask who it is
    assert not is_another_account(("testclient", 40000), ("testserver", 80))


def test_who_may_not_ask_the_kernel_reads_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(peer, "asked", refused)
    monkeypatch.setattr(peer, "listed", lambda *_: os.getuid() + 1)
    assert is_another_account(("127.0.0.1", 40000), ("127.0.0.1", 8600))


@linux
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_of_this_process_is_ours_until_it_hangs_up(way: Ask, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server, socket.socket(family) as client:
        client.connect(server.getsockname())
        ends = [(ip_address(host), one.getsockname()[1]) for one in (client, server)]
        assert way(ends[0], ends[1]) == os.getuid()
        taken, _ = server.accept()
        with taken:
            client.close()  # it is an orphan now, which the tables call root's
            assert way(ends[0], ends[1]) == NOBODY
        assert way((ip_address(host), 1), ends[1]) == NOBODY
        assert way(ends[1], (ip_address(host), 1)) == NOBODY  # what listens there is no connection


@linux
def test_who_hangs_up_at_once_is_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        taken, address = server.accept()
        with taken:
            assert not is_another_account(address, server.getsockname())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()  # with a reset: there is nothing left of the connection on this side
            assert is_another_account(address, server.getsockname())


@linux
def test_a_connection_of_another_account_from_a_port_that_was_ours() -> None:
    bash = shutil.which("bash")
    if os.getuid() != 0 or bash is None:
        pytest.skip("only root can act as somebody else, here with bash, which every account may run")
    with socket.create_server(("127.0.0.1", 0)) as server:
        talk = f"exec 3<>/dev/tcp/127.0.0.1/{server.getsockname()[1]}; read -r -u 3"
        other = subprocess.Popen([bash, "-c", talk], user=65534, group=65534, cwd="/")
        connection, address = server.accept()
        with connection, socket.create_server(("127.0.0.1", 0)) as elsewhere, socket.socket() as ours:
            try:
                ours.setsockopt(socket.IPPROTO_IP, 51, struct.pack("=HH", address[1], address[1]))
            except OSError:
                pytest.skip("IP_LOCAL_PORT_RANGE came with Linux 6.3")
            ours.connect(elsewhere.getsockname())
            assert ours.getsockname() == address
            ends = [(ip_address("127.0.0.1"), one[1]) for one in (address, server.getsockname())]
            assert [way(ends[0], ends[1]) for way in WAYS] == [65534, 65534]
            assert is_another_account(address, server.getsockname())
        other.wait()
