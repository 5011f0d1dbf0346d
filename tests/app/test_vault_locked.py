"""Servers and pages without the key of an encrypted gallery say what is missing, and are not ready."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli.main import main
from pipeline.build import embedder_identity
from pipeline.config import Settings
from pipeline.gallery import Gallery
from pipeline.gallery.vault.master import MasterKey
from tests.api_server import client_of, made_state, photo
from tests.fakes import DIMENSION, MODEL_ID, RED

KEY = MasterKey(b"k" * 32)


@pytest.mark.parametrize("command", ["web", "api"])
@pytest.mark.parametrize("key", [None, MasterKey(b"x" * 32).text])
def test_they_do_not_start(
    isolated_home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    key: str | None,
) -> None:
    with Gallery.open(isolated_home / "gallery", *embedder_identity(Settings.load())) as gallery:
        gallery.vault().init(KEY)
    if key:
        monkeypatch.setenv("KNOWNFACE_VAULT_KEY", key)
    assert main(["--json", command, "--port", "65123"]) == 3
    said = json.loads(capsys.readouterr().out)
    assert said["error"] == "vault_locked"
    missing = "is missing: set KNOWNFACE_VAULT_KEY, or name its file" if key is None else "not with"
    assert KEY.id in said["message"]
    assert missing in said["message"]


def test_a_service_that_loses_it_is_not_ready(tmp_path: Path) -> None:
    state = made_state(tmp_path)
    with client_of(state) as client:
        assert client.get("/readyz").status_code == 200
        with Gallery.open(tmp_path / "gallery", MODEL_ID, DIMENSION) as other:
            other.vault().init(KEY)
        for answer in (
            client.get("/readyz"),
            client.get("/v1/subjects"),
            client.post("/v1/identify", files={"photos": photo(tmp_path, RED)}),
        ):
            assert answer.status_code == 503
            assert "vault_locked" in answer.text
            assert f"its key {KEY.id} is missing" in answer.json()["detail"]
        assert client.get("/healthz").status_code == 200
    state.services.close()
