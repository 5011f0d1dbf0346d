"""Who is at the other end of a connection on this machine: nobody else's process is let in where nobody logs in."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.access.peer import is_another_account, uid_of

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2198 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 0100007F:9C40 0100007F:2198 01 00000000:00000000 00:00000000 00000000  1234        0 2 1 0 20 4 30 10 -1
   2: 0200007F:9C41 0100007F:2198 01 00000000:00000000 00:00000000 00000000  4321        0 2 1 0 20 4 30 10 -1
"""
TABLE6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when ret
   0: 00000000000000000000000001000000:9C42 00000000000000000000000001000000:2198 01 0:0 00:0 0  777  0 2 1 0 20 4 30 1
   1: 0000000000000000FFFF00000100007F:9C43 0000000000000000FFFF00000100007F:2198 01 0:0 00:0 0  778  0 2 1 0 20 4 30 1
"""


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "tcp").write_text(TABLE)
    (tmp_path / "tcp6").write_text(TABLE6)
    return tmp_path / "tcp", tmp_path / "tcp6"


@pytest.mark.parametrize(
    ("address", "port", "uid"),
    [
        ("127.0.0.1", 40000, 1234),
        ("127.0.0.2", 40001, 4321),
        ("127.0.0.1", 40001, None),
        ("::1", 40002, 777),
        ("127.0.0.1", 40003, 778),
        ("::ffff:127.0.0.1", 40000, 1234),
        ("somewhere", 40000, None),
    ],
)
def test_the_systems_table_says_whose_it_is(
    tables: tuple[Path, Path], address: str, port: int, uid: int | None
) -> None:
    assert uid_of((address, port), tables) == uid
    assert is_another_account((address, port), tables) == (uid is not None and uid != os.getuid())


def test_where_the_system_does_not_say_it_nobody_is_refused(tmp_path: Path) -> None:
    assert not is_another_account(("127.0.0.1", 40000), [tmp_path / "no"])
    assert not is_another_account(None)


@pytest.mark.skipif(sys.platform != "linux", reason="the table is Linux's")
def test_a_connection_of_this_process_and_one_of_another_account() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            assert uid_of(client.getsockname()) == os.getuid()
            assert not is_another_account(client.getsockname())
            server.accept()[0].close()
        bash = shutil.which("bash")
        if os.getuid() != 0 or bash is None:
            pytest.skip("only root can act as somebody else, here with bash, which every account may run")
        talk = f"exec 3<>/dev/tcp/127.0.0.1/{server.getsockname()[1]}; read -r -u 3"
        other = subprocess.Popen([bash, "-c", talk], user=65534, group=65534, cwd="/")
        connection, address = server.accept()
        with connection:
            assert is_another_account(address)
        other.wait()
