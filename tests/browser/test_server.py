"""Whom the server answers, as seen on the wire, when it is started in a folder and with variables that weaken it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from app.access import Role
from app.access.users import Users
from app.services import Services
from pipeline.config import Settings
from tests.browser.conftest import home_of_its_own, serving

pytestmark = pytest.mark.browser

_CONFIG = """\
[global]
developmentMode = true
[server]
enableCORS = false
enableXsrfProtection = false
enableStaticServing = true
enableAgentApi = true
allowedHosts = ["*"]
corsAllowedOrigins = ["http://evil.com"]
baseUrlPath = "elsewhere"
"""


@pytest.fixture(scope="module")
def port(models_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "config.toml").write_text(_CONFIG)
    (folder / "streamlit.py").write_text("raise SystemExit('the wrong streamlit')\n")
    variables = {"STREAMLIT_SERVER_ENABLE_CORS": "false", "STREAMLIT_SERVER_ALLOWED_HOSTS": "*"}
    with serving(folder, home_of_its_own(folder, models_home), **variables) as url:
        yield int(url.rsplit(":", 1)[1])


def reply(port: int, path: str, host: str, *headers: str) -> str:
    """Status line and headers of the answer to one request."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall("\r\n".join(lines).encode())
        data = b""
        while b"\r\n\r\n" not in data and (part := connection.recv(4096)):
            data += part
    return data.partition(b"\r\n\r\n")[0].decode("latin-1").lower()


def upgrade(port: int, host: str, *headers: str) -> int:
    """The status with which the page's WebSocket is answered: 101 where it is opened."""
    key = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    answer = reply(port, "/_stcore/stream", host, *key, "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", *headers)
    return int(answer.split()[1])


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_this_machine_gets_through(port: int, name: str) -> None:
    assert upgrade(port, f"{name}:{port}", f"Origin: http://{name}:{port}") == 101


@pytest.mark.parametrize("name", ["evil.com", "127.0.0.1.evil.com", "localhost.evil.com", "evil.com#localhost", ""])
def test_a_name_that_was_made_to_lead_here_does_not(port: int, name: str) -> None:
    assert upgrade(port, f"{name}:{port}", f"Origin: http://{name}:{port}") in ({403} if name else {400, 403})
    assert upgrade(port, f"{name}:{port}") in ({403} if name else {400, 403})


def test_other_sites_may_not_read_the_answers(port: int) -> None:
    answer = reply(port, "/_stcore/host-config", f"127.0.0.1:{port}", "Origin: http://evil.com")
    assert answer.split()[1] == "200"
    assert "evil.com" not in answer
    assert "access-control-allow-origin: *" not in answer


def test_refused_log_ins_that_were_only_counted_are_in_the_log_after_a_stop(models_home: Path, tmp_path: Path) -> None:
    home = home_of_its_own(tmp_path, models_home)
    Users(home).add("ada", Role.ADMIN, "correct horse battery")
    with serving(tmp_path, home) as url, httpx.Client(base_url=url, headers={"Origin": url}, timeout=60) as client:
        for _ in range(3):
            assert client.post("/login", data={"user": "ada", "password": "wrong"}).status_code == 401
    with closing(Services(Settings(home=home, gallery=str(tmp_path / "gallery")))) as services:
        details = [json.loads(entry.detail) for entry in services.gallery.audit(action="login_refused")]
    assert [detail["refused"] for detail in details] == [1, 2], "the first at once, the others when it was stopped"
