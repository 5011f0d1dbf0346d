"""The keys of a provider of identities: fetched seldom and by HTTPS, and what happens when they cannot be had."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from joserfc.jwk import OKPKey
from tokens_world import KEY, OTHER, Clock, ask, code

from app.access.tokens import Tokens
from app.api.state import State
from tests.api_over_http import listening
from tests.api_server import client_of
from tests.asgi import TestClient
from tests.identity_provider import DISCOVERY, Answer, Identity


def in_a_hurry(state: State) -> None:
    """From here on the provider has three seconds; it is asked anew."""
    state.tokens = Tokens(state.services.settings.home, forward=Clock(), deadline_s=3.0)


def test_an_unknown_key_is_asked_for_once_in_a_while(client: TestClient, identity: Identity, clock: Clock) -> None:
    assert code(client, identity.token()) == ""
    identity.keys = [OTHER, KEY]
    for _ in range(5):
        assert code(client, identity.token(OTHER)) == "token_refused"
    assert len(identity.asked) == 2
    clock.at += 11
    assert code(client, identity.token(OTHER)) == ""
    for _ in range(5):
        assert code(client, identity.token(rsa_key_named("9"))) == "token_refused"
    assert len(identity.asked) == 4
    identity.keys = [OTHER]
    assert code(client, identity.token(KEY)) == ""
    clock.at += 601
    assert code(client, identity.token(KEY)) == "token_refused"


def test_many_who_ask_at_once_ask_the_provider_once(state: State, clock: Clock, identity: Identity) -> None:
    identity.lies[DISCOVERY] = Answer(identity.answer(DISCOVERY).body, drip_s=0.002)
    identity.asked.clear()
    header = {"Authorization": f"Bearer {identity.token()}"}

    def status(_: int) -> int:
        return httpx.get(f"http://127.0.0.1:{port}/v1/me", headers=header, timeout=60).status_code

    with listening(state) as port, ThreadPoolExecutor(8) as pool:
        found = pool.map(status, range(16))
        assert list(found) == [200] * 16
        assert identity.asked == [DISCOVERY, "/keys"]
        identity.lies["/keys"] = Answer(b" " * 1000, drip_s=0.05)
        in_a_hurry(state)
        found = pool.map(status, range(16))
        assert list(found) == [503] * 16
        assert identity.asked.count(DISCOVERY) == 2


def rsa_key_named(kid: str) -> Any:
    return type(OTHER).import_key(OTHER.as_dict(private=True) | {"kid": kid})


def test_a_provider_that_is_away_for_a_moment_stops_nobody(
    client: TestClient, identity: Identity, clock: Clock
) -> None:
    assert code(client, identity.token()) == ""
    identity.lies["/keys"] = Answer(status=500)
    clock.at += 601
    assert code(client, identity.token()) == ""
    said = ask(client, identity.token(OTHER))
    assert (said.status_code, said.json()["error"], said.headers["retry-after"]) == (503, "provider_unreachable", "1")
    clock.at += 3600
    assert code(client, identity.token()) == "provider_unreachable"
    asked = len(identity.asked)
    assert code(client, identity.token()) == "provider_unreachable"
    assert len(identity.asked) == asked
    identity.lies.clear()
    clock.at += 11
    assert code(client, identity.token()) == ""


def _keys(*rows: object) -> Answer:
    return Answer(json.dumps({"keys": rows}).encode())


_NONSENSE: list[tuple[str, Answer]] = [
    (DISCOVERY, Answer(status=302, headers={"Location": "/elsewhere"})),
    (DISCOVERY, Answer(b"<html>")),
    (DISCOVERY, Answer(b"[" * 100_000)),
    (DISCOVERY, Answer(b"[]")),
    (
        DISCOVERY,
        Answer(json.dumps({"issuer": "https://evil.example", "jwks_uri": "https://evil.example"}).encode()),
    ),
    (DISCOVERY, Answer(b"{}" + b" " * 300_000)),
    (DISCOVERY, Answer(b"{}", headers={"Content-Encoding": "gzip"})),
    (DISCOVERY, Answer(b" " * 1000, drip_s=0.05)),
    ("/keys", Answer(status=404)),
    ("/keys", _keys(*[{"kty": "RSA"}] * 101)),
    ("/keys", Answer(b'{"keys": {}}')),
    ("/keys", Answer(b"{" + b" " * 300_000)),
]


def test_a_provider_that_answers_nonsense_is_a_503(client: TestClient, state: State, identity: Identity) -> None:
    for path, lie in _NONSENSE:
        identity.lies = {path: lie}
        state.tokens = Tokens(state.services.settings.home, deadline_s=3.0 if lie.drip_s else 10.0)
        said = ask(client, identity.token())
        assert (said.status_code, said.json()["error"]) == (503, "provider_unreachable")
        assert "/elsewhere" not in identity.asked


def test_keys_come_by_https_only(client: TestClient, state: State, identity: Identity) -> None:
    for place in ("http://keys.example.org/", "file:///etc/passwd", "https://[", 7, None):
        identity.lies[DISCOVERY] = Answer(json.dumps({"issuer": identity.base, "jwks_uri": place}).encode())
        state.tokens = Tokens(state.services.settings.home)
        assert code(client, identity.token()) == "provider_unreachable", place


def test_a_provider_that_is_not_there(state: State, clock: Clock, identity: Identity) -> None:
    token = identity.token()
    identity.write(state.services.settings.home, server_metadata_url="http://127.0.0.1:9" + DISCOVERY)
    with client_of(state) as client:
        assert code(client, token) == "provider_unreachable"


def test_keys_that_cannot_be_used_are_passed_over(client: TestClient, identity: Identity) -> None:
    good = KEY.as_dict(private=False)
    one = OKPKey.generate_key("Ed25519", {"kid": "4"}, private=True)
    identity.lies["/keys"] = _keys(
        7,
        {},
        {"kty": ["RSA"]},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "5"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "1"},
        {"kty": "RSA", "n": 7, "e": "AQAB", "kid": "1"},
        {"kty": "RSA", "n": "A" * 3000, "e": "AQAB", "kid": "1"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "1"},
        good | {"kid": 7},
        good | {"use": "enc"},
        good | {"key_ops": ["encrypt"]},
        good | {"alg": "RS512"},
        KEY.as_dict(private=True),
        one.as_dict(private=False),
    )
    assert code(client, identity.token()) == ""
    assert code(client, identity.token(one, "Ed25519")) == ""
    assert code(client, identity.token(alg="RS512")) == "token_refused"  # two keys of one name: no choice is made
