"""Logging in with a provider of identities: a small real one, on loopback."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.access import Actor, Role, oidc
from app.access.keys import Keys
from app.refusals import Refusals
from app.web import gate
from app.web.gate import Gate
from app.web.guard import Guard
from app.web.login import routes
from pipeline.config import Settings
from pipeline.errors import ConfigError, UserNameError
from tests.asgi import TestClient

REFUSED: list[tuple[Any, ...]] = []
CLAIMS = {"sub": "u-1", "email": "Ada@Example.org", "email_verified": True, "groups": ["staff"]}


class Identity(BaseHTTPRequestHandler):
    """Discovery, keys, authorization code with PKCE, and tokens."""

    key: ClassVar[RSAKey]
    claims: ClassVar[dict[str, Any]]
    signed_with: ClassVar[RSAKey]
    asked: ClassVar[dict[str, dict[str, str]]]

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _answer(self, document: object) -> None:
        data = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        parts = urlsplit(self.path)
        if parts.path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            self._answer(
                {"issuer": base, "id_token_signing_alg_values_supported": ["RS256"]}
                | {name: f"{base}/{path}" for name, path in names.items()}
            )
        elif parts.path == "/keys":
            self._answer({"keys": [self.key.as_dict(private=False, alg="RS256", use="sig")]})
        else:
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            code = secrets.token_hex(8)
            self.asked[code] = query
            self.send_response(302)
            self.send_header(
                "Location", f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
            )
            self.end_headers()

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        query = self.asked.pop(form["code"][0])
        assert query["code_challenge_method"] == "S256"
        assert form["code_verifier"]
        now = int(time.time())
        about = {"iss": f"http://127.0.0.1:{self.server.server_address[1]}", "aud": query["client_id"]}
        claims = about | {"iat": now, "exp": now + 60, "nonce": query["nonce"]} | self.claims
        header = {"alg": "RS256", "kid": self.key.kid}
        token = jwt.encode(header, claims, self.signed_with)
        self._answer({"access_token": "x", "token_type": "Bearer", "id_token": token})


@pytest.fixture(scope="module")
def identity() -> Iterator[type[Identity]]:
    key = RSAKey.generate_key(2048, {"kid": "1"}, private=True)
    Identity.key, Identity.asked = key, {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Identity)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Identity.base = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
    yield Identity
    server.shutdown()
    server.server_close()


def write(home: Path, identity: Any, **more: object) -> Path:
    file = home / "oidc.toml"
    values = {"name": "Example", "client_id": "knownface", "client_secret": "s3cret"}
    values["server_metadata_url"] = f"{identity.base}/.well-known/openid-configuration"
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    for name, table in more.items():
        if isinstance(table, dict):
            lines += [f"[{name}]", *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in table.items())]
        else:
            lines.insert(0, f"{name} = {json.dumps(table)}")
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)
    return file


def client_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[TestClient, Guard]:
    options = {"server.allowedHosts": ["127.0.0.1"], "server.corsAllowedOrigins": []}
    monkeypatch.setattr(gate.config, "get_option", options.__getitem__)
    guard = Guard(Settings(home=home), "127.0.0.1", "knownface-1")

    async def inside(_: Any) -> PlainTextResponse:
        return PlainTextResponse("inside")

    middleware = [Middleware(Gate, guard=guard), Middleware(SessionMiddleware, secret_key="k" * 32)]
    app = Starlette(
        routes=[
            *routes(guard, "", lambda *_: None, Refusals(lambda *said: REFUSED.append(said))),
            Route("/{path:path}", inside),
        ],
        middleware=middleware,
    )
    return TestClient(app, base_url="http://127.0.0.1:8501", follow_redirects=False), guard


def come_back(client: TestClient) -> Any:
    """From the button, by way of the provider, to our address for coming back."""
    sent = client.get("/login/provider?next=/gallery")
    assert sent.status_code == 302, sent.text
    returned = httpx.get(sent.headers["location"]).headers["location"]
    return client.get(returned)


def test_a_person_logs_in_with_the_role_of_their_address(
    identity: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity.claims, identity.signed_with = CLAIMS, identity.key
    write(tmp_path, identity, emails={"ada@example.org": "operator"})
    client, guard = client_of(tmp_path, monkeypatch)
    with client:
        assert "Log in with Example" in client.get("/login").text
        answer = come_back(client)
        assert (answer.status_code, answer.headers["location"]) == (303, "/gallery")
        assert guard.actor(client.cookies["knownface-1"]) == Actor("oidc:Ada@Example.org", Role.OPERATOR)
        assert client.get("/gallery").text == "inside"


@pytest.mark.parametrize(
    "lie",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another-page"},
        {"nonce": "of-another-browser"},
        {"exp": 1},
        {"iat": 4102444800},
        {"sub": None},
    ],
)
def test_a_token_that_is_not_for_this_log_in_is_refused(
    identity: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: dict[str, Any]
) -> None:
    identity.claims, identity.signed_with = {**CLAIMS, **lie}, identity.key
    write(tmp_path, identity, emails={"ada@example.org": "operator"})
    client, _ = client_of(tmp_path, monkeypatch)
    with client:
        answer = come_back(client)
        assert answer.status_code == 401
        assert "knownface-1" not in answer.cookies


@pytest.mark.parametrize("document", [[], "x", 7, None, {}, {"authorization_endpoint": 7, "jwks_uri": [1]}])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_provider_that_answers_nonsense_is_a_sentence(
    identity: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: object, when: str
) -> None:
    identity.claims, identity.signed_with = CLAIMS, identity.key
    write(tmp_path, identity, emails={"ada@example.org": "operator"})
    client, _ = client_of(tmp_path, monkeypatch)
    with client:
        if when == "after":
            returned = httpx.get(client.get("/login/provider").headers["location"]).headers["location"]
            monkeypatch.setattr(identity, "do_POST", lambda asked: _answered(asked, document))
            assert client.get(returned).status_code in {401, 403}
        else:
            monkeypatch.setattr(identity, "do_GET", lambda asked: asked._answer(document))
            assert client.get("/login/provider").status_code == 502


def _answered(asked: Any, document: object) -> None:
    asked.rfile.read(int(asked.headers["Content-Length"]))
    asked._answer(document)


def test_nobody_is_called_like_a_user_of_this_machine(tmp_path: Path) -> None:
    """Else whoever the provider calls "ada" would be the local user ada in the audit."""
    write(tmp_path, _Nowhere, default_role="viewer")
    provider = oidc.load(tmp_path)
    assert provider
    said: list[dict[str, Any]] = [
        {"sub": "ada"},
        {"sub": "a@b.c"},
        {"sub": "u-1", "email": "a@b.c", "email_verified": True},
    ]
    names = [actor.name for one in said if (actor := provider.actor(one))]
    assert names == ["oidc:sub:ada", "oidc:sub:a@b.c", "oidc:a@b.c"]
    for name in names:
        with pytest.raises(UserNameError, match="oidc:"):
            Guard(Settings(home=tmp_path), "127.0.0.1", "c").users.add(name, Role.VIEWER, "correct horse battery")
        with pytest.raises(UserNameError, match="oidc:"):
            Keys(tmp_path).add(name, Role.VIEWER)


def test_who_has_no_role_is_told_so_and_stays_outside(
    identity: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity.claims, identity.signed_with = {**CLAIMS, "email": "<b>eve@example.org"}, identity.key
    write(tmp_path, identity, emails={"ada@example.org": "admin"})
    client, _ = client_of(tmp_path, monkeypatch)
    with client:
        answer = come_back(client)
        assert answer.status_code == 403
        assert "&lt;b&gt;eve@example.org is known to Example, but has no role here" in answer.text
        assert REFUSED.pop() == ("login_refused", "", {"way": "provider", "refused": 1}), "and nobody is named"
        assert client.get("/gallery").status_code == 303


def test_a_token_that_somebody_else_signed_is_refused(
    identity: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity.claims = CLAIMS
    identity.signed_with = RSAKey.generate_key(2048, {"kid": "1"}, private=True)
    write(tmp_path, identity, default_role="admin")
    client, _ = client_of(tmp_path, monkeypatch)
    with client:
        answer = come_back(client)
        assert answer.status_code == 401
        assert "Logging in with Example did not work" in answer.text
        assert "knownface-1" not in client.cookies
        identity.signed_with = identity.key
        for claims in ({"nonce": "another"}, {"exp": 1}, {"aud": "another"}, {"iss": "http://another"}):
            identity.claims = CLAIMS | claims
            assert come_back(client).status_code == 401, claims


def test_an_answer_that_nobody_asked_for_is_refused(
    identity: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, identity, default_role="admin")
    client, _ = client_of(tmp_path, monkeypatch)
    with client:
        for query in ("", "?code=1&state=2", "?error=access_denied&state=2"):
            assert client.get(f"/oauth2callback{query}").status_code == 401


def test_a_provider_that_is_away_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        base = "http://127.0.0.1:9"

    write(tmp_path, Away)
    client, _ = client_of(tmp_path, monkeypatch)
    with client:
        answer = client.get("/login/provider")
        assert answer.status_code == 502
        assert "did not work" in answer.text


class _Nowhere:
    base = "https://id.example.org"


@pytest.mark.parametrize(
    ("more", "claims", "role"),
    [
        ({"emails": {"ADA@example.org": "viewer"}}, CLAIMS, Role.VIEWER),
        ({"emails": {"ada@example.org": "admin"}}, {**CLAIMS, "email_verified": False}, None),
        ({"emails": {"ada@example.org": "admin"}}, {"sub": "u-1", "email": "ada@example.org"}, None),
        ({"claim": "groups", "claims": {"staff": "operator", "heads": "admin"}}, CLAIMS, Role.OPERATOR),
        ({"claim": "groups", "claims": {"staff": "operator"}}, {**CLAIMS, "groups": "staff"}, Role.OPERATOR),
        ({"claim": "groups", "claims": {"staff": "operator"}}, {**CLAIMS, "groups": {"staff": 1}}, None),
        (
            {"claim": "groups", "claims": {"staff": "viewer"}, "emails": {"ada@example.org": "admin"}},
            CLAIMS,
            Role.ADMIN,
        ),
        ({"default_role": "viewer"}, {"sub": "u-1"}, Role.VIEWER),
        ({"default_role": "viewer"}, {}, None),
        ({}, CLAIMS, None),
    ],
)
def test_the_strongest_role_counts(tmp_path: Path, more: dict[str, Any], claims: Any, role: Role | None) -> None:
    write(tmp_path, _Nowhere, **more)
    provider = oidc.load(tmp_path)
    assert provider
    actor = provider.actor(claims)
    assert (actor.role if actor else None) == role


def test_a_provider_of_tokens_for_programs_is_none_for_people(tmp_path: Path) -> None:
    file = write(tmp_path, _Nowhere, audience="https://faces.example.org")
    assert Guard(Settings(home=tmp_path), "127.0.0.1", "c").required()
    lines = [line for line in file.read_text().splitlines() if not line.startswith("client_")]
    file.write_text("\n".join(lines))
    guard = Guard(Settings(home=tmp_path), "127.0.0.1", "c")
    assert (guard.provider, guard.required()) == (None, False)
    file.write_text("\n".join(line for line in lines if not line.startswith("audience")))
    with pytest.raises(ConfigError, match="is needed"):
        oidc.load(tmp_path)


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    assert oidc.load(tmp_path) is None
    file = write(tmp_path, _Nowhere)
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        oidc.load(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("https://", "http://", "must begin with https"),
        ("client_id", "client", "client"),
        ('"knownface"', '""', "client_id"),
        ("name", "name = ", "TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_named_error(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = write(tmp_path, _Nowhere)
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=said) as error:
        oidc.load(tmp_path)
    assert "s3cret" not in str(error.value)
    assert "s3cret" not in repr(error.value)
