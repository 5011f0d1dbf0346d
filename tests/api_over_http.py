"""A service that really listens, on loopback, for what a client in the same process cannot show."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from app.api.application import make_app
from app.api.state import State


@contextmanager
def listening(state: State) -> Iterator[int]:
    """The port; at the end the server has ended."""
    config = uvicorn.Config(make_app(state), port=0, log_level="critical", ws="none", http="h11")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


class Talk:
    """A connection, byte by byte."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)

    def begin(self, method: str, path: str, *headers: str) -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def chunk(self, data: bytes) -> None:
        self.socket.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def status(self) -> int:
        """Of the answer; the connection is read until the server closes it or has answered."""
        said = b""
        while b"\r\n" not in said and (part := self.socket.recv(65536)):
            said += part
        return int(said.split(b" ")[1])

    def close(self) -> None:
        self.socket.close()
