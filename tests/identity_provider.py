"""A provider of identities on loopback, for tests: discovery, keys and signed tokens; told to, it lies or fails."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.jws import JWSRegistry

AUDIENCE = "https://faces.example.org"
DISCOVERY = "/.well-known/openid-configuration"


@dataclass
class Answer:
    """What it says at one address, instead of what it should."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drip_s: float = 0.0


@dataclass
class Identity:
    """The provider: `keys` are published; `lies` replaces answers by path; `asked` are the paths of all requests."""

    base: str
    keys: list[Key]
    lies: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def published(self) -> list[dict[str, Any]]:
        return [key.as_dict(private=False, use="sig") for key in self.keys]

    def answer(self, path: str) -> Answer:
        self.asked.append(path)
        if path in self.lies:
            return self.lies[path]
        if path == DISCOVERY:
            return Answer(json.dumps({"issuer": self.base, "jwks_uri": f"{self.base}/keys"}).encode())
        return Answer(json.dumps({"keys": self.published()}).encode())

    def claims(self, **more: Any) -> dict[str, Any]:
        """What a good token says; None takes a claim out."""
        now = int(time.time())
        said = {"iss": self.base, "aud": AUDIENCE, "sub": "robot-7", "iat": now, "exp": now + 60, "groups": ["staff"]}
        return {name: value for name, value in (said | more).items() if value is not None}

    def token(
        self, key: Key | None = None, alg: str = "RS256", header: dict[str, Any] | None = None, **more: Any
    ) -> str:
        key = key or self.keys[0]
        top = {"alg": alg, "kid": key.kid, "typ": "at+jwt"} | (header or {})
        top = {name: value for name, value in top.items() if value is not None}
        registry = JWSRegistry(algorithms=[alg], strict_check_header=False)
        return jwt.encode(top, self.claims(**more), key, registry=registry)

    def write(self, home: Path, **more: Any) -> Path:
        """The settings that name it: staff are operators."""
        values = {"server_metadata_url": f"{self.base}{DISCOVERY}", "audience": AUDIENCE, "claim": "groups"} | more
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None]
        file = home / "oidc.toml"
        file.write_text("\n".join([*lines, "[claims]", 'staff = "operator"', 'heads = "admin"']) + "\n")
        file.chmod(0o600)
        return file


def rsa_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid}, private=True)


def ec_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid}, private=True)


@contextmanager
def serving(keys: list[Key]) -> Iterator[Identity]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            said = identity.answer(self.path)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                for start in range(0, len(said.body), len(said.body) if not said.drip_s else 1):
                    self.wfile.write(said.body if not said.drip_s else said.body[start : start + 1])
                    time.sleep(said.drip_s)
            except OSError:  # whoever asked had enough
                return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    identity = Identity(f"http://127.0.0.1:{server.server_address[1]}", keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield identity
    finally:
        server.shutdown()
        server.server_close()
