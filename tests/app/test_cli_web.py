"""`knownface web`: the command line and the environment that it hands to Streamlit."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from streamlit import config as streamlit_config

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
        "--server.allowedHosts=127.0.0.1",
        "--server.allowedHosts=localhost",
        "--server.enableCORS=true",
        "--server.corsAllowedOrigins=http://127.0.0.1:8600",
        "--server.enableXsrfProtection=true",
        "--server.enableStaticServing=false",
        "--server.enableAgentApi=false",
        "--browser.serverAddress=127.0.0.1",
        "--browser.gatherUsageStats=false",
    ],
)
def test_what_guards_the_page_is_on_the_command_line(flag: str, started: tuple[list[str], dict[str, str]]) -> None:
    assert started[0].count(flag) == 1


def test_every_option_is_one_that_streamlit_has(started: tuple[list[str], dict[str, str]]) -> None:
    names = {flag[2:].split("=")[0] for flag in started[0] if flag.startswith("--")}
    assert names <= set(streamlit_config._config_options_template)


def test_only_our_own_streamlit_variables_are_handed_on(started: tuple[list[str], dict[str, str]]) -> None:
    names = {name for name in started[1] if name.startswith("STREAMLIT_")}
    assert "STREAMLIT_THEME_LIGHT_PRIMARY_COLOR" in names
    assert not names & {"STREAMLIT_SERVER_ENABLE_CORS", "STREAMLIT_THEME_BASE"}


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
