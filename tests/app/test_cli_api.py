"""`knownface api`: when it starts, and with what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.access import Role
from app.access.keys import Keys
from app.api import server
from app.api.state import State
from app.cli.context import Context
from tests.api_server import made_state
from tests.commands import Cli, runner
from tests.identity_provider import Identity


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, isolated_home: Path, tmp_path: Path) -> list[tuple[State, str]]:
    """Servers that were started; each ends at once."""
    seen: list[tuple[State, str]] = []

    def serve(state: State, address: str, port: int) -> None:
        seen.append((state, address))
        state.close()

    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.setattr(Context, "services", lambda *_: made_state(tmp_path / "made").services)
    return seen


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return runner(capsys)


def test_on_this_machine_it_needs_nothing(cli: Cli, served: list[tuple[State, str]]) -> None:
    assert cli("api", "--port", 8631).code == 0
    ((state, address),) = served
    assert (state.local, address) == (True, "127.0.0.1")
    assert (state.limits.batch, state.limits.per_minute) == (1, 600)
    assert cli("api", "--port", 8631, "--batch", 8, "--rate", 0).code == 0
    assert (served[1][0].limits.batch, served[1][0].limits.per_minute) == (8, 0)


@pytest.mark.parametrize("way", ["key", "provider"])
def test_for_others_it_needs_a_key_or_a_provider_of_tokens(
    cli: Cli, served: list[Any], isolated_home: Path, way: str
) -> None:
    words = ("api", "--port", 8631, "--address", "0.0.0.0")  # noqa: S104
    refused = cli("--json", *words)
    assert (refused.code, refused.document["error"]) == (3, "config_invalid")
    assert "users key add" in refused.document["message"]
    provider = Identity("https://id.example.org", [])
    isolated_home.mkdir(parents=True, exist_ok=True)
    if way == "key":
        Keys(isolated_home).add("robot", Role.VIEWER)
    else:
        provider.write(isolated_home, audience=None, client_id="page", client_secret="s")  # noqa: S106
        assert cli(*words).code == 3  # it is for people only
        provider.write(isolated_home)
    done = cli(*words)
    assert done.code == 0
    assert "https" in done.err
    assert not served[0][0].local


def test_settings_of_a_provider_that_cannot_be_used_are_told_at_the_start(
    cli: Cli, served: list[Any], isolated_home: Path
) -> None:
    isolated_home.mkdir(parents=True, exist_ok=True)
    (isolated_home / "oidc.toml").write_text("audience = 7\n")
    (isolated_home / "oidc.toml").chmod(0o600)
    refused = cli("--json", "api", "--port", 8631)
    assert (refused.code, refused.document["error"]) == (3, "config_invalid")
    assert not served
