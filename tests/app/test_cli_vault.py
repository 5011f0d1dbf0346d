"""`knownface vault`: where the key goes, what is said, and that nothing opens without it."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli.main import main
from app.runs.ledger import Ledger
from pipeline.build import embedder_identity
from pipeline.config import Settings
from pipeline.gallery import Anchor, Gallery, KeyPlaces, NewSample, Scribe
from tests.made_runs import made_run

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def _run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return _run


@pytest.fixture
def place(isolated_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a gallery with one person, without a photo having been looked at."""
    monkeypatch.setenv("KNOWNFACE_HOME", str(isolated_home))
    monkeypatch.setenv("KNOWNFACE_GALLERY", str(tmp_path / "gallery"))
    monkeypatch.delenv("KNOWNFACE_VAULT_KEY", raising=False)
    model_id, dimension = embedder_identity(Settings.load())
    vector = np.full(dimension, dimension**-0.5, np.float32)
    values: dict[str, Any] = {"source": "ada.jpg", "photo_sha256": "0" * 64, "box": (0.0, 0.0, 9.0, 9.0)}
    values |= {"landmarks": np.zeros((5, 2), np.float32), "confidence": 0.9, "image_hw": (10, 10), "norm": 1.0}
    scribe = Scribe("grace", Anchor(isolated_home))
    with Gallery.open(tmp_path / "gallery", model_id, dimension, scribe=scribe) as gallery:
        gallery.enrol("Ada Lovelace", [NewSample(vector=vector, crop=None, quality=None, **values)])
    return tmp_path / "gallery"


def test_a_key_in_a_file(run: Run, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run("vault", "status")
    assert (code, out) == (1, "the gallery is not encrypted\n")
    code, out, err = run("vault", "init", "--key-file", place / "key")
    assert (code, "keep the key where the gallery is not" in err) == (3, True)
    code, out, err = run("vault", "init", "--key-file", tmp_path / "none" / "key")
    assert (code, f"there is no folder {tmp_path / 'none'}: make it first" in err) == (3, True)
    code, out, err = run("vault", "init", "--key-file", tmp_path / "key")
    assert code == 0
    assert "who loses the key loses the gallery" in err
    assert f'vault_key_file = "{tmp_path / "key"}"' in out
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600

    code, out, err = run("--json", "gallery", "list")
    assert (code, json.loads(out)["error"]) == (3, "vault_locked")
    code, out, err = run("gallery", "list")
    assert (code, err.count("\n"), "KNOWNFACE_VAULT_KEY" in err) == (3, 1, True)
    status = json.loads(run("--json", "vault", "status")[1])
    assert (status["state"], status["waiting"]) == ("on", 0)

    (tmp_path / "settings.toml").write_text(f'vault_key_file = "{tmp_path / "key"}"\n')
    assert "Ada Lovelace" in run("gallery", "list", "--config", tmp_path / "settings.toml")[1]
    (tmp_path / "key").chmod(0o640)
    assert "chmod 600" in run("gallery", "list", "--config", tmp_path / "settings.toml")[2]
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", (tmp_path / "key").read_text())
    assert "Ada Lovelace" in run("gallery", "list")[1]
    code, _, err = run("vault", "init")
    assert (code, "is encrypted already" in err) == (3, True)
    assert (code, run("vault", "init", "--key-file", tmp_path / "no")[0], (tmp_path / "no").exists()) == (3, 3, False)


def test_a_gallery_that_is_not_there_yet_begins_encrypted(
    run: Run, models_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KNOWNFACE_HOME", str(models_home))
    monkeypatch.setenv("KNOWNFACE_GALLERY", str(tmp_path / "new"))
    monkeypatch.delenv("KNOWNFACE_VAULT_KEY", raising=False)
    assert run("vault", "init", "--key-file", tmp_path / "key")[0] == 0
    assert run("vault", "status")[0] == 0
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", (tmp_path / "key").read_text())
    model_id, dimension = embedder_identity(Settings.load())
    assert not Gallery.open(tmp_path / "new", model_id, dimension, keys=KeyPlaces.of(Settings.load())).subjects()
    monkeypatch.delenv("KNOWNFACE_VAULT_KEY")
    assert "is encrypted and its key" in run("gallery", "list")[2]


def test_a_key_that_is_shown_and_rotated(
    run: Run, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("vault", "rotate")[0] == 3
    code, out, _ = run("--json", "vault", "init", "--show-key")
    shown = json.loads(out)
    assert (code, len(base64.b64decode(shown["key"]))) == (0, 32)
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", shown["key"])
    before = json.loads(run("--json", "vault", "status")[1])
    code, out, _ = run("vault", "rotate")
    assert (code, shown["master_key"] in out) == (0, True)
    between = json.loads(run("--json", "vault", "status")[1])
    assert between["data_key"] != before["data_key"]
    assert between["keys"] == [between["data_key"]]
    code, out, _ = run("vault", "rotate", "--key-file", tmp_path / "new")
    assert code == 0
    assert "not with" in run("gallery", "list")[2]
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", (tmp_path / "new").read_text())
    assert "Ada Lovelace" in run("gallery", "list")[1]
    entries = [json.loads(line) for line in run("audit", "show", "--json-lines")[1].splitlines()]
    actions = [entry["action"] for entry in entries if entry["action"] != "vault_open"]
    assert actions[-6:] == ["vault_init", "vault_done", *["vault_rotate", "vault_done"] * 2]
    opened = [entry["detail"] for entry in entries if entry["action"] == "vault_open"]
    old, new = shown["master_key"], json.loads(run("--json", "vault", "status")[1])["master_key"]
    assert [detail["master_key"] for detail in opened] == [old, old, new, new], "two rotations, two looks; not status"
    assert [detail["data_key"] for detail in opened][:2] == [before["data_key"], between["data_key"]]
    changed = [entry["detail"] for entry in entries if entry["action"] == "vault_rotate"]
    assert [detail.get("master_key_before") for detail in changed] == [None, old]
    assert run("audit", "verify")[0] == 0
    assert place.is_dir()


def test_the_data_folder_is_encrypted_as_well(
    run: Run, place: Path, isolated_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_run(isolated_home, "earlier", {"/photos/Zwetschkenbaum.jpg": ["ada"]})
    monkeypatch.setattr("app.vault_files._LOCK_S", 0.1)
    with Ledger(isolated_home, "earlier"):
        code, _, err = run("vault", "init", "--key-file", tmp_path / "key")
        assert (code, "not yet the run earlier, where another process is at work" in err) == (3, True)
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", (tmp_path / "key").read_text())
    code, out, _ = run("vault", "status")
    assert (code, "not encrypted yet: the run earlier: run `knownface vault init`" in out) == (1, True)
    assert run("vault", "init")[0] == 0
    code, out, _ = run("--json", "vault", "status")
    assert (code, json.loads(out)["open_files"]) == (0, [])
    assert (run("vault", "init")[0], place.is_dir()) == (3, True)
    assert run("vault", "rotate", "--key-file", tmp_path / "new")[0] == 0
    assert run("runs", "show", "earlier")[0] == 3
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", (tmp_path / "new").read_text())
    assert json.loads(run("--json", "runs", "show", "earlier")[1])["summary"]["faces"] == 1
    monkeypatch.delenv("KNOWNFACE_VAULT_KEY")
    assert json.loads(run("--json", "runs", "list")[1])["runs"][0]["faces"] == 1
    assert run("runs", "remove", "earlier", "--yes")[0] == 3, "it is written into the gallery's log"
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", (tmp_path / "new").read_text())
    assert run("runs", "remove", "earlier", "--yes")[0] == 0


@pytest.mark.usefixtures("place")
def test_what_is_no_key(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = run("vault", "init")
    assert (code, "there is no key: set KNOWNFACE_VAULT_KEY" in err) == (3, True)
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", "c2hvcnQ=")
    code, _, err = run("vault", "init")
    assert (code, "KNOWNFACE_VAULT_KEY: holds no key" in err, "c2hvcnQ" in err) == (3, True, False)
    assert run("vault", "init", "--keyring", "--key-file", tmp_path / "k")[0] == 2


@pytest.mark.usefixtures("place")
def test_a_key_in_the_keyring(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    backend = pytest.importorskip("keyring.backend")

    class InMemory(backend.KeyringBackend):  # type: ignore[misc, name-defined]
        priority = 1
        held: dict[tuple[str, str], str] = {}  # noqa: RUF012

        def get_password(self, service: str, username: str) -> str | None:
            return self.held.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.held[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del self.held[service, username]

    before = keyring.get_keyring()
    keyring.set_keyring(InMemory())
    try:
        settings = tmp_path / "settings.toml"
        settings.write_text("vault_keyring = true\n")
        assert run("vault", "init", "--keyring", "--config", settings)[0] == 0
        assert run("gallery", "list")[0] == 3
        assert "Ada Lovelace" in run("gallery", "list", "--config", settings)[1]
        assert run("vault", "rotate", "--keyring", "--config", settings)[0] == 0
        assert "Ada Lovelace" in run("gallery", "list", "--config", settings)[1]
        assert len(InMemory.held) == 2, "the old key still opens older backups"
        assert KeyPlaces(keyring=True).find(None) is None
    finally:
        keyring.set_keyring(before)
