"""Bearer tokens of a provider: which count, which do not, and what becomes of it where the provider lies or is away."""

from __future__ import annotations

import base64
import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwt
from joserfc.jwk import OctKey
from tokens_world import CURVE, KEY, OTHER, ask, code

from app.access import Role
from app.api.diary import AsJson
from app.api.state import State
from tests.api_server import key_for, photo
from tests.asgi import TestClient
from tests.fakes import RED
from tests.identity_provider import AUDIENCE, DISCOVERY, Identity, rsa_key


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
