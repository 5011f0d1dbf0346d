"""A real Milvus server out of the package milvus: one process, standalone, on the loopback.

The package's launcher changes the working folder and leaves sockets open, so it runs in a process of its own, which
stops the server (by its id) when its standard input ends, even if the tests are killed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_LAUNCHER = """
import sys
from milvus import MilvusServer, MilvusServerConfig
config = MilvusServerConfig(data_dir=sys.argv[1])
config.set("proxy.timeTickInterval", int(sys.argv[2]))
server = MilvusServer(config, wait_for_started=False)
try:
    server.start()
    server.wait_started(180_000)
    print(server.listen_port, flush=True)
    sys.stdin.read()
finally:
    server.stop()
"""


def installed() -> bool:
    """Whether the package is there; it is made for Linux on x86-64 only."""
    return importlib.util.find_spec("milvus") is not None


@contextlib.contextmanager
def server(tick_ms: int = 200) -> Iterator[tuple[str, Path]]:
    """The URL of a running server, and its data folder; both are gone afterwards.

    Args:
        tick_ms: How often its clock ticks; strong consistency waits for it. 200 is Milvus's default.
    """
    folder = tempfile.mkdtemp(prefix="knownface-milvus-")
    try:
        with subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _LAUNCHER, folder, str(tick_ms)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as launcher:
            port = launcher.stdout.readline().strip()
            if not port:
                raise RuntimeError(f"Milvus did not start; see {folder}/logs")
            yield f"http://127.0.0.1:{port}", Path(folder) / "data"
            launcher.stdin.close()
            launcher.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
