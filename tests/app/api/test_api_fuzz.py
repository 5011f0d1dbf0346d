"""Schemathesis asks a running server for everything its OpenAPI document allows, and for what it does not."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from app.api.application import make_app
from tests.api_server import made_state

_SECONDS = 20
_CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.slow
def test_no_request_breaks_it_or_is_answered_in_a_way_that_is_not_documented(tmp_path: Path) -> None:
    config = uvicorn.Config(make_app(made_state(tmp_path)), port=0, log_level="critical", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        command = [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"),
            *(f"http://127.0.0.1:{port}/openapi.json", "--checks", _CHECKS, "--max-time", str(_SECONDS)),
            *("--exclude-path-regex", "/zip$"),  # Schemathesis cannot make a zip: test_api_runs brings some
            *("--phases", "examples,coverage,fuzzing", "--seed", "1", "--no-color"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300)
    finally:
        server.should_exit = True
        thread.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Test cases" in done.stdout
