"""Who asks a service with bearer tokens: keys of the provider, and a clock that goes forward when it is told to."""

from __future__ import annotations

import httpx

from tests.asgi import TestClient
from tests.identity_provider import ec_key, rsa_key

KEY, OTHER, CURVE = rsa_key("1"), rsa_key("2"), ec_key("3")


class Clock:
    """Goes forward when it is told to."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def ask(client: TestClient, token: str, path: str = "/v1/me") -> httpx.Response:
    answer: httpx.Response = client.get(path, headers={"Authorization": f"Bearer {token}".encode("latin-1")})
    return answer


def code(client: TestClient, token: str) -> str:
    said = ask(client, token)
    return "" if said.status_code == 200 else str(said.json()["error"])
