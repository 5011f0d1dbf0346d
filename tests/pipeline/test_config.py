"""Settings: where they come from, which wins, and how a mistake is said."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.config import TOML_BYTES, Settings, home
from pipeline.errors import ConfigError


def test_defaults_live_in_the_home_folder(isolated_home: Path) -> None:
    settings = Settings.load()
    assert home() == isolated_home
    assert settings.home == isolated_home
    assert settings.gallery_location == str(isolated_home / "gallery")
    assert settings.models_dir == isolated_home / "models"
    assert settings.worker_count >= 1
    assert Settings(workers=3).worker_count == 3


def test_without_an_environment_the_platform_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KNOWNFACE_HOME")
    assert "knownface" in home().parts
    monkeypatch.setenv("KNOWNFACE_HOME", "~/faces")
    assert home() == Path.home() / "faces"


def test_file_then_environment_then_overrides(
    isolated_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (isolated_home / "settings.toml").write_text('gallery = "from-home"\nmin_confidence = 0.5\n', encoding="utf-8")
    assert Settings.load().gallery_location == "from-home"
    named = tmp_path / "mine.toml"
    named.write_text('gallery = "from-file"\n', encoding="utf-8")
    assert Settings.load(named).gallery_location == "from-file"
    assert Settings.load(named).min_confidence == Settings().min_confidence, "a named file replaces the one in home"
    monkeypatch.setenv("KNOWNFACE_GALLERY", "from-environment")
    assert Settings.load(named).gallery_location == "from-environment"
    assert Settings.load(named, gallery="asked for").gallery_location == "asked for"
    assert Settings.load(named, gallery=None).gallery_location == "from-environment"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"this is not toml", "not valid TOML"),
        (b"\xff\xfe\x00", "not valid TOML"),
        (b"min_confidence = 7\n", "min_confidence"),
        (b'min_confidence = "high"\n', "min_confidence"),
        (b'runtime = "cuda"\n', "runtime"),
        (b"unheard_of = 1\n", "unheard_of"),
        (b"[gallery]\nfolder = 1\n", "gallery"),
        (b"nms_iou = 0.0\n", "nms_iou"),
        (b"verify_fmr = 1.0\n", "verify_fmr"),
        (b"workers = -1\n", "workers"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_key(tmp_path: Path, text: bytes, words: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        Settings.load(file)
    assert words in caught.value.message
    assert str(file) in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.code == "config_invalid"


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(ConfigError, match="--config"):
            Settings.load(path)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().min_confidence = 0.1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = " + "1" * 5000, "not valid TOML"),
        ('gallery = "a\\u0000b"\n', "gallery: .*NUL"),
        ('home = "a\\u0000b"\n', "home: .*NUL"),
        ("# " + "x" * TOML_BYTES, "more than"),
    ],
)
def test_hostile_settings_are_one_named_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        Settings.load(file)
    assert caught.value.message.isprintable()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_a_pipe_or_device_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ConfigError, match="is a pipe or device"):
            Settings.load(path)


@pytest.mark.skipif(sys.platform == "win32", reason="there any user's home can be named")
def test_the_home_of_nobody_is_a_named_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWNFACE_HOME", "~nosuchuser/x")
    with pytest.raises(ConfigError, match="~nosuchuser/x: there is no such user"):
        Settings.load()
