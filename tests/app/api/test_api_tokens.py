"""Bearer tokens of a provider: which count, which do not, and what becomes of it where the provider lies or is away."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from app.access import Role
from app.access.tokens import Tokens
from app.api.diary import AsJson
from app.api.state import State
from tests.api_over_http import listening
from tests.api_server import client_of, key_for, made_state, photo
from tests.asgi import TestClient
from tests.fakes import RED
from tests.identity_provider import AUDIENCE, DISCOVERY, Answer, Identity, ec_key, rsa_key, serving

KEY, OTHER, CURVE = rsa_key("1"), rsa_key("2"), ec_key("3")


class Clock:
    """Goes forward when it is told to."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def identity() -> Iterator[Identity]:
    with serving([KEY, CURVE]) as made:
        yield made


@pytest.fixture
def state(identity: Identity, tmp_path: Path) -> State:
    made = made_state(tmp_path)
    identity.write(made.services.settings.home)
    return made


@pytest.fixture
def clock(state: State) -> Clock:
    made = Clock()
    state.tokens = Tokens(state.services.settings.home, forward=made)
    return made


def in_a_hurry(state: State) -> None:
    """From here on the provider has half a second; it is asked anew."""
    state.tokens = Tokens(state.services.settings.home, forward=Clock(), deadline_s=0.5)


@pytest.fixture
def client(state: State, clock: Clock) -> Iterator[TestClient]:
    with client_of(state) as made:
        yield made


def ask(client: TestClient, token: str, path: str = "/v1/me") -> httpx.Response:
    answer: httpx.Response = client.get(path, headers={"Authorization": f"Bearer {token}".encode("latin-1")})
    return answer


def code(client: TestClient, token: str) -> str:
    said = ask(client, token)
    return "" if said.status_code == 200 else str(said.json()["error"])


def signed(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def signed_by_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """RS256 by KEY, whatever stands in the header."""
    first = signed(header, claims).rpartition(".")[0]
    made = KEY.private_key.sign(first.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{first}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}"


def test_a_token_has_the_role_of_its_claims_and_stands_in_the_audit(
    client: TestClient, identity: Identity, tmp_path: Path
) -> None:
    said = ask(client, identity.token())
    assert said.json() == {"name": "oidc:sub:robot-7", "role": "operator"}
    assert ask(client, identity.token(CURVE, "ES256", groups=["heads", "staff"])).json()["role"] == "admin"
    assert ask(client, identity.token(alg="PS384", aud=["https://other", AUDIENCE])).status_code == 200
    assert (
        ask(client, identity.token(header={"typ": None, "x-vendor": "1"}, email="a@b.c")).json()["name"]
        == "oidc:sub:robot-7"
    )
    headers = {"Authorization": f"Bearer {identity.token()}"}
    files = [("photos", photo(tmp_path, RED))]
    assert client.post("/v1/subjects/Ada/samples", files=files, headers=headers).status_code == 201
    assert client.delete("/v1/subjects/Ada", headers=headers).status_code == 403
    entries = ask(client, identity.token(groups="heads"), "/v1/audit").json()["entries"]
    assert [one["actor"] for one in entries if one["action"] == "enrol"] == ["oidc:sub:robot-7"]
    assert identity.asked == [DISCOVERY, "/keys"]
    assert client.get("/v1/me").json()["error"] == "key_needed"


def test_who_has_no_role_and_keys_beside_tokens(client: TestClient, state: State, identity: Identity) -> None:
    said = ask(client, identity.token(groups=["guests"]))
    assert (said.status_code, said.json()["error"]) == (403, "not_allowed")
    shown = key_for(state, Role.VIEWER)
    assert ask(client, shown).json()["name"] == "robot"


_DO_NOT_COUNT: list[dict[str, Any]] = [
    {"iss": "https://evil.example"},
    {"iss": None},
    {"aud": "https://elsewhere.example"},
    {"aud": []},
    {"aud": {AUDIENCE: 1}},
    {"aud": None},
    {"exp": 1},
    {"exp": None},
    {"exp": True},
    {"exp": "9999999999"},
    {"exp": 10**400},
    {"exp": float("nan")},
    {"exp": float("inf")},
    {"nbf": 9_999_999_999},
    {"iat": 9_999_999_999},
    {"sub": None},
    {"sub": 7},
    {"sub": ""},
]


def test_a_signed_token_that_does_not_count(client: TestClient, identity: Identity) -> None:
    for claims in _DO_NOT_COUNT:
        said = ask(client, identity.token(**claims))
        assert (said.status_code, said.json()["error"]) == (401, "token_refused")
        assert said.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_clocks_may_differ_a_little(client: TestClient, identity: Identity) -> None:
    now = int(time.time())
    assert code(client, identity.token(exp=now - 10, iat=now + 10, nbf=now + 10)) == ""
    assert code(client, identity.token(exp=now - 60)) == "token_refused"


def test_forged_tokens(client: TestClient, identity: Identity) -> None:
    claims = identity.claims(groups=["heads"])
    public = KEY.as_pem(private=False)
    secret = OctKey.import_key(base64.urlsafe_b64encode(public).decode())
    header = {"alg": "HS256", "kid": "1"}
    body = signed(header, claims).rpartition(".")[0]
    confused = body + "." + jwt.encode(header, claims, secret, algorithms=["HS256"]).rpartition(".")[2]
    stranger = rsa_key("1")
    good = identity.token()
    changed = signed({"alg": "RS256", "kid": "1"}, claims).rsplit(".", 1)[0] + "." + good.rsplit(".", 1)[1]
    jwk = stranger.as_dict(private=False)
    for token in (
        signed({"alg": "none", "kid": "1"}, claims),
        signed({"alg": "None", "kid": "1"}, claims),
        signed({"kid": "1"}, claims),
        confused,
        changed,
        identity.token(stranger),
        identity.token(stranger, header={"jwk": jwk}),
        identity.token(stranger, header={"jku": f"{identity.base}/mine"}),
        signed_by_key({"alg": "RS256", "kid": "1", "crit": ["x"], "x": 1}, claims),
        signed_by_key({"alg": "RS256", "kid": "1", "crit": ["x"]}, claims),
        signed_by_key({"alg": "RS256", "kid": "1", "crit": 1}, claims),
        identity.token(header={"typ": "logout+jwt"}),
        identity.token(header={"kid": None}, alg="RS512")[:-4] + "AAAA",
        signed({"alg": "ES256", "kid": "1"}, claims, b"x" * 64),
        signed({"alg": ["RS256"], "kid": "1"}, claims),
        signed({"alg": "RS256", "kid": {"a": 1}}, claims),
        "a.b.c",
        "..",
        "\xe9.b.c",
        good + "A" * 9000,
        ".".join(["W" * 1000] * 3),
    ):
        assert code(client, token) == "token_refused", token[:80]
    assert "/mine" not in identity.asked
    assert code(client, signed_by_key({"alg": "RS256", "kid": "1"}, claims)) == ""
    assert code(client, identity.token(header={"kid": None})) == ""


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
    with listening(state) as port, ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda _: httpx.get(f"http://127.0.0.1:{port}/v1/me", headers=header).status_code, range(16))
        assert list(found) == [200] * 16
        assert identity.asked == [DISCOVERY, "/keys"]
        identity.lies["/keys"] = Answer(b" " * 1000, drip_s=0.05)
        in_a_hurry(state)
        found = pool.map(lambda _: httpx.get(f"http://127.0.0.1:{port}/v1/me", headers=header).status_code, range(16))
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
        state.tokens = Tokens(state.services.settings.home, deadline_s=0.5 if lie.drip_s else 10.0)
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


def test_the_settings_say_whom_to_believe(state: State, client: TestClient, identity: Identity) -> None:
    home = state.services.settings.home
    identity.write(home, issuer="https://id.example.org")
    assert code(client, identity.token()) == "provider_unreachable"
    identity.write(home, issuer=identity.base, algorithms=["ES256"])
    assert code(client, identity.token()) == "token_refused"
    assert code(client, identity.token(CURVE, "ES256")) == ""
    identity.write(home, audience=["one", "two"], claim="realm.roles")
    assert code(client, identity.token(aud="two", realm={"roles": ["staff"]})) == ""
    identity.write(home, claim="scope")
    assert code(client, identity.token(scope="openid staff")) == ""
    identity.write(home, audience=None, client_id="web", client_secret="s")  # noqa: S106
    assert code(client, identity.token()) == "key_refused"
    for wrong in ({"algorithms": ["HS256"]}, {"algorithms": []}, {"audience": None}, {"client_id": "web"}):
        identity.write(home, **wrong)
        said = ask(client, identity.token())
        assert (said.status_code, said.json()["error"]) == (500, "config_invalid"), wrong


def test_nothing_of_a_token_is_written_down(
    client: TestClient, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = identity.token(email="ada@example.org", email_verified=True), identity.token(OTHER, sub="lovelace")
    with caplog.at_level(logging.DEBUG):
        for token in (good, bad, good):
            said = ask(client, token)
            assert token.split(".")[1][:20] not in said.text
    rows = [json.loads(AsJson().format(record)) for record in caplog.records if record.name == "knownface.api"]
    assert rows[0]["key"] == rows[2]["key"]
    assert rows[0]["key"].startswith("token-")
    written = "\n".join(record.getMessage() + json.dumps(getattr(record, "fields", {})) for record in caplog.records)
    for word in (*good.split("."), *bad.split("."), "ada@example.org", "lovelace", "robot-7"):
        assert word not in written
