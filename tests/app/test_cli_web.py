"""`knownface web`: the command line and the environment that it hands to Streamlit."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit import config as streamlit_config

from app.access import Role
from app.access.users import Users
from app.cli.main import main
from pipeline.weights import ModelStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="elsewhere the server is a process of its own")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, isolated_home: Path) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a start among hostile variables."""
    seen: list[tuple[list[str], dict[str, str]]] = []

    def execve(_: str, command: list[str], environment: dict[str, str]) -> None:
        seen.append((command, environment))
        raise SystemExit(0)

    monkeypatch.setattr(ModelStore, "installed", lambda *_: isolated_home)
    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setenv("STREAMLIT_SERVER_ENABLE_CORS", "false")
    monkeypatch.setenv("STREAMLIT_THEME_BASE", "dark")
    assert main(["web", "--port", "8600", "--no-browser"]) == 0
    return seen[0]


def test_a_module_in_the_working_folder_is_not_started(started: tuple[list[str], dict[str, str]]) -> None:
    assert started[0][:5] == [sys.executable, "-P", "-m", "streamlit", "run"]


@pytest.mark.parametrize(
    "flag",
    [
        "--global.developmentMode=false",
        "--server.address=127.0.0.1",
        "--server.port=8600",
        "--server.showEmailPrompt=false",
        "--server.headless=true",
        "--logger.hideWelcomeMessage=true",
        "--server.allowedHosts=127.0.0.1",
        "--server.allowedHosts=localhost",
        "--server.enableCORS=true",
        "--server.corsAllowedOrigins=http://127.0.0.1:8600",
        "--server.enableXsrfProtection=true",
        "--server.enableStaticServing=false",
        "--server.enableAgentApi=false",
        "--server.corsAllowedOrigins=http://localhost:8600",
        "--browser.serverAddress=127.0.0.1",
        "--browser.serverPort=8600",
        "--browser.gatherUsageStats=false",
    ],
)
def test_what_guards_the_page_is_on_the_command_line(flag: str, started: tuple[list[str], dict[str, str]]) -> None:
    assert started[0].count(flag) == 1


def test_every_option_is_one_that_streamlit_has(started: tuple[list[str], dict[str, str]]) -> None:
    names = {flag[2:].split("=")[0] for flag in started[0] if flag.startswith("--")}
    assert names <= set(streamlit_config._config_options_template)


def test_the_server_learns_where_it_listens(started: tuple[list[str], dict[str, str]]) -> None:
    assert started[1]["KNOWNFACE_WEB_ADDRESS"] == "127.0.0.1"
    assert started[1]["KNOWNFACE_WEB_PORT"] == "8600"
    assert started[0][5].endswith("server.py")
    assert started[1]["MALLOC_ARENA_MAX"] == "2"


def test_only_our_own_streamlit_variables_are_handed_on(started: tuple[list[str], dict[str, str]]) -> None:
    names = {name for name in started[1] if name.startswith("STREAMLIT_")}
    assert "STREAMLIT_THEME_LIGHT_PRIMARY_COLOR" in names
    assert not names & {"STREAMLIT_SERVER_ENABLE_CORS", "STREAMLIT_THEME_BASE"}


def test_no_header_says_who_asks(started: tuple[list[str], dict[str, str]]) -> None:
    """uvicorn believes X-Forwarded-For that comes from this machine: every account of it could be from elsewhere."""
    from uvicorn.middleware.proxy_headers import _TrustedHosts

    trusted = _TrustedHosts(started[1]["FORWARDED_ALLOW_IPS"])
    assert not any(one in trusted for one in ("127.0.0.1", "::1", "10.0.0.1", "testclient"))


def test_a_port_that_is_taken_is_an_error(isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelStore, "installed", lambda *_: isolated_home)
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("the server was started"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert main(["web", "--no-browser", "--port", str(other.getsockname()[1])]) == 3


def test_a_password_is_handed_on_but_not_shown(
    monkeypatch: pytest.MonkeyPatch, isolated_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[dict[str, str]] = []

    def execve(_: str, command: list[str], environment: dict[str, str]) -> None:
        seen.append(environment)
        raise SystemExit(0)

    monkeypatch.setattr(ModelStore, "installed", lambda *_: isolated_home)
    monkeypatch.setattr(os, "execve", execve)
    url = "postgresql://u:secret@db/faces"
    assert main(["--gallery", url, "web", "--port", "8600", "--no-browser"]) == 0
    assert seen[0]["KNOWNFACE_GALLERY"] == url
    told = capsys.readouterr().err
    assert "@db/faces" in told
    assert "secret" not in told


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, isolated_home: Path) -> Callable[..., tuple[int, list[str]]]:
    """Starts with these options; the exit code, and the command line of the server ([] where none was started)."""
    monkeypatch.setattr(ModelStore, "installed", lambda *_: isolated_home)

    def started_with(*given: str) -> tuple[int, list[str]]:
        seen: list[list[str]] = [[]]

        def execve(_: str, command: list[str], __: dict[str, str]) -> None:
            seen.append(command)
            raise SystemExit(0)

        monkeypatch.setattr(os, "execve", execve)
        code = main(["web", "--no-browser", "--port", "8600", *given])
        return code, seen[-1]

    return started_with


@pytest.mark.parametrize(
    "given",
    [
        ["--address", "0.0.0.0"],  # noqa: S104
        ["--address", "::"],
        ["--address", "192.0.2.1"],
        ["--url", "https://faces.example.org"],
    ],
)
def test_other_machines_are_not_let_in_without_anybody_to_log_in(
    start: Callable[..., tuple[int, list[str]]], given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(*given) == (3, [])
    assert "knownface users add" in capsys.readouterr().err


def test_with_a_user_it_listens_elsewhere_under_its_own_names_only(
    start: Callable[..., tuple[int, list[str]]], isolated_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Users(isolated_home).add("ada", Role.ADMIN, "correct horse battery")
    code, command = start("--address", "0.0.0.0", "--url", "https://Faces.example.org/")  # noqa: S104
    assert code == 0
    assert "unprotected" not in capsys.readouterr().err
    assert "--server.address=0.0.0.0" in command
    hosts = {flag.split("=")[1] for flag in command if flag.startswith("--server.allowedHosts=")}
    assert {"127.0.0.1", "localhost", "faces.example.org", socket.gethostname().lower()} <= hosts
    assert not hosts & {"*", "0.0.0.0", ""}  # noqa: S104
    assert "--server.corsAllowedOrigins=https://faces.example.org" in command
    assert "--browser.serverAddress=faces.example.org" in command
    assert "--browser.serverPort=443" in command
    code, command = start("--address", "0.0.0.0")  # noqa: S104
    assert code == 0
    assert "unprotected" in capsys.readouterr().err


def test_https_takes_certificate_and_key(
    start: Callable[..., tuple[int, list[str]]], isolated_home: Path, tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.touch()
    assert start("--tls-cert", str(cert)) == (3, [])
    assert start("--tls-cert", str(cert), "--tls-key", str(key)) == (3, [])
    key.touch()
    code, command = start("--tls-cert", str(cert), "--tls-key", str(key))
    assert code == 0
    assert f"--server.sslCertFile={cert}" in command
    assert f"--server.sslKeyFile={key}" in command
    assert "--server.corsAllowedOrigins=https://127.0.0.1:8600" in command


@pytest.mark.parametrize(
    "given",
    [
        ["--address", "example.org"],
        ["--address", "*"],
        ["--url", "faces.example.org"],
        ["--url", "https://faces.example.org/app"],
        ["--url", "https://user@faces.example.org"],
        ["--url", "ftp://faces.example.org"],
        ["--url", "https://[::1"],
    ],
)
def test_what_is_no_address_is_a_named_error(
    start: Callable[..., tuple[int, list[str]]], isolated_home: Path, given: list[str]
) -> None:
    Users(isolated_home).add("ada", Role.ADMIN, "correct horse battery")
    assert start(*given) == (3, [])
