"""Schemathesis asks a running server for everything its OpenAPI document allows, and for what it does not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app import jobs
from scripts.fuzzing.service import CHECKS, command
from tests.api_over_http import listening
from tests.api_server import made_state

_SECONDS = 20


@pytest.mark.slow
def test_no_request_breaks_it_or_is_answered_in_a_way_that_is_not_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = made_state(tmp_path)
    state.services.settings = state.services.settings.model_copy(update={"keep_crops": True})
    monkeypatch.setattr(jobs.Job, "start", lambda *_, **__: None)  # a process for each request would take all the time
    with listening(state) as port:
        asked = command(f"http://127.0.0.1:{port}", _SECONDS, "--checks", CHECKS, "--seed", "1")
        done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Test cases" in done.stdout
