"""Who gets through the gate, and what the page for logging in takes and says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gate_world import GOOD, NOTED, OPTIONS, REFUSED, client_of, log_in, made, reaches
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketDisconnect

from app.access import LOCAL, Actor, Role, passwords
from app.access.users import ATTEMPTS
from app.web import gate
from app.web.gate import Gate
from app.web.guard import Guard, is_loopback
from tests.asgi import TestClient


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    from argon2 import PasswordHasher

    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: cheap)
    passwords._nobody.cache_clear()
    NOTED.clear()
    REFUSED.clear()
    monkeypatch.setattr(gate.config, "get_option", OPTIONS.__getitem__)


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    made_guard = made(tmp_path)
    made_guard.users.add("ada", Role.OPERATOR, GOOD)
    return made_guard


@pytest.fixture
def client(guard: Guard) -> Iterator[TestClient]:
    with client_of(guard) as opened:
        yield opened


def test_without_users_this_machine_needs_no_login(tmp_path: Path) -> None:
    guard = made(tmp_path)
    assert not guard.required()
    assert guard.actor(None) == LOCAL
    with client_of(guard) as client:
        assert client.get("/verify").text == "inside"
        assert reaches(client)
    guard.users.add("ada", Role.VIEWER, GOOD)
    with client_of(guard) as client:
        assert client.get("/verify").status_code == 303, "the first user closes the gate at once"
        assert not reaches(client)


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", "::", "", "example.org"])  # noqa: S104
def test_elsewhere_everybody_logs_in_even_while_nobody_can(tmp_path: Path, address: str) -> None:
    guard = made(tmp_path, address)
    assert guard.required()
    assert guard.actor(None) is None
    with client_of(guard) as client:
        assert not reaches(client)
        assert "knownface users add" in client.get("/login").text


def test_which_addresses_are_this_machine() -> None:
    assert [is_loopback(a) for a in ("127.0.0.1", "127.8.8.8", "::1", "localhost")] == [True] * 4
    assert not any(is_loopback(a) for a in ("", "0.0.0.0", "::", "10.0.0.1", "localhost.example.org"))  # noqa: S104


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 303),
        ("GET", "/gallery", 303),
        ("GET", "/_stcore/health", 200),
        ("GET", "/_stcore/host-config", 401),
        ("GET", "/media/abc.json", 401),
        ("GET", "/static/js/index.js", 200),
        ("PUT", "/static/js/index.js", 401),
        ("GET", "/auth/login", 401),
        ("PUT", "/_stcore/upload_file/s/f", 401),
        ("POST", "/gallery", 401),
        ("GET", "/login/", 303),
        ("GET", "//evil.example/", 303),
    ],
)
def test_who_has_not_logged_in_gets_nothing_else(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, f"http://127.0.0.1:8501{path}")
    assert answer.status_code == status
    if status == 303:
        assert answer.headers["location"].startswith("/login")
    assert (answer.text == "inside") is (status == 200)


def test_a_session_opens_with_the_password_and_ends_with_logging_out(client: TestClient, guard: Guard) -> None:
    page = client.get("/gallery")
    assert page.headers["location"] == "/login?next=%2Fgallery"
    answer = log_in(client, next_page="/gallery")
    assert (answer.status_code, answer.headers["location"]) == (303, "/gallery")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "Secure" not in cookie
    assert client.get("/gallery").text == "inside"
    assert reaches(client, Origin="http://127.0.0.1:8501")
    token = client.cookies["knownface-1"]
    assert guard.actor(token) == Actor("ada", Role.OPERATOR)
    assert client.get("/logout", headers={"Sec-Fetch-Site": "cross-site"}).headers["location"] == "/"
    assert guard.actor(token) is not None, "another site cannot log anybody out"
    assert client.get("/logout").headers["location"] == "/login?out"
    assert guard.actor(token) is None
    assert client.get("/gallery").status_code == 303
    assert NOTED == [("ada", "login"), ("ada", "logout")]


def test_a_role_that_was_taken_away_is_gone_at_once(client: TestClient, guard: Guard) -> None:
    log_in(client)
    token = client.cookies["knownface-1"]
    guard.users.set_role("ada", Role.VIEWER)
    assert guard.actor(token) == Actor("ada", Role.VIEWER)
    guard.users.add("grace", Role.ADMIN, GOOD)
    guard.users.remove("ada")
    assert guard.actor(token) is None
    assert client.get("/gallery").status_code == 303


def test_another_password_ends_the_sessions_of_the_old_one(client: TestClient, guard: Guard) -> None:
    log_in(client)
    token = client.cookies["knownface-1"]
    guard.users.set_password("ada", f"{GOOD} staple")
    assert guard.actor(token) is None
    guard.users.remove("ada")
    guard.users.add("ada", Role.ADMIN, GOOD)
    assert guard.actor(token) is None, "somebody else of the same name"


def test_the_gate_looks_at_the_path_that_is_routed(guard: Guard) -> None:
    """Not at one that is made with the Host header, which the sender chooses."""

    def refused(path: str, host: str) -> bool:
        scope = {"type": "http", "method": "GET", "scheme": "http", "path": path, "query_string": b""}
        scope |= {"headers": [(b"host", host.encode())], "server": ("127.0.0.1", 8501)}
        return Gate(PlainTextResponse("inside"), guard)._refuse(HTTPConnection(scope)) is not None

    for host in ("127.0.0.1:8501", "127.0.0.1:8501/login?x=", "127.0.0.1:8501/static/", "x/login#"):
        assert refused("/media/picture.png", host)
        assert refused("/_stcore/upload_file/a/b", host)
    assert not refused("/login", "127.0.0.1:8501")


def test_what_cannot_be_read_is_refused_and_no_error_of_ours(guard: Guard) -> None:
    """Else whoever reaches the page, without a password, fills the log with tracebacks."""
    half = {"Origin": "http://["}
    with client_of(guard) as client:
        assert client.post("/login", headers=half).status_code == 403
        assert client.get("/logout", headers=half, follow_redirects=False).status_code == 303
        assert client.get("/_stcore/stream", headers=half).status_code == 403
        assert client.post("/login", content="a=b&" * 100).status_code == 401
        before = len(REFUSED)
        assert client.head("/login").status_code == 200
        assert len(REFUSED) == before  # nobody tried to log in


def test_the_cookie_is_for_https_only_where_there_is_https(guard: Guard) -> None:
    with client_of(guard, "https://faces.example.org") as client:
        answer = log_in(client, Origin="https://faces.example.org")
        assert answer.status_code == 303
        assert "Secure" in answer.headers["set-cookie"]


def test_a_wrong_password_and_a_locked_name(client: TestClient) -> None:
    for _ in range(ATTEMPTS):
        answer = log_in(client, "wrong")
        assert answer.status_code == 401
        assert "The name or the password is wrong." in answer.text
        assert 'value="Ada"' in answer.text
        assert "set-cookie" not in answer.headers
    answer = log_in(client)
    assert answer.status_code == 401
    assert "try again in 1 min." in answer.text
    assert REFUSED == [
        ("login_refused", "", {"way": "password", "refused": 1, "of": {"ada": 1}}),
        ("lockout", "user:ada", {"seconds": 60}),
    ], "what came after the first one is counted, and told in a minute"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
def test_another_site_cannot_log_anybody_in(client: TestClient, headers: dict[str, str]) -> None:
    answer = log_in(client, **headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_another_sites_websocket_is_refused_with_a_session_too(client: TestClient) -> None:
    log_in(client)
    assert reaches(client, Origin="https://faces.example.org")
    assert not reaches(client, Origin="http://evil.example")


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/a/../b", "/\\evil", "javascript:1", "/A"]
)
def test_logging_in_leads_to_our_own_pages_only(client: TestClient, wanted: str) -> None:
    answer = log_in(client, next_page=wanted)
    assert answer.headers["location"] == "/"


def test_what_is_typed_stays_text_and_nothing_is_loaded(client: TestClient) -> None:
    nasty = '"><script>alert(1)</script>'
    answer = client.post("/login", data={"user": nasty, "password": "x"}, headers={"Origin": "http://127.0.0.1:8501"})
    assert "<script" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    nonce = re.search(r"'nonce-([^']+)'", policy)
    assert nonce
    assert f'<style nonce="{nonce[1]}">' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"(src|href)=.?(http|//)", answer.text)


def test_the_page_speaks_the_browsers_language(client: TestClient) -> None:
    answer = client.get("/login", headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    assert "登录" in answer.text
    assert 'lang="zh-Hans"' in answer.text
    assert "Log in" in client.get("/login", headers={"Accept-Language": "fr"}).text


def test_a_form_that_is_too_long_or_odd_is_a_wrong_password(client: TestClient) -> None:
    headers = {"Origin": "http://127.0.0.1:8501", "Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/login", content=b"user=ada&password=" + b"x" * 20_000, headers=headers).status_code == 401
    assert client.post("/login", content=b"\xff\xfe&&=%", headers=headers).status_code == 401


def test_where_nobody_logs_in_another_account_of_the_machine_is_kept_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = made(tmp_path)
    client = client_of(guard)
    assert client.get("/").text == "inside"
    monkeypatch.setattr(gate, "is_another_account", lambda *_: True)
    for path in ("/", "/static/x.js", "/_stcore/health", "/media/x"):
        assert client.get(path).status_code == 403, path
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream"):
        pass
    guard.users.add("ada", Role.ADMIN, GOOD)  # from now on everybody logs in, whichever account their browser has
    assert client.get("/", follow_redirects=False).status_code == 303


def test_no_other_site_can_show_a_page_in_a_frame_of_its_own(tmp_path: Path) -> None:
    headers = client_of(made(tmp_path)).get("/").headers
    assert (headers["x-frame-options"], headers["content-security-policy"]) == ("SAMEORIGIN", "frame-ancestors 'self'")
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
