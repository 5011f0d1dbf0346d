"""One release file with several models and photos in it is fetched once, and does not stay."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from weights_helpers import Site, package_index, running, sha, tar_gz

from pipeline.weights.card import cards_dir, data_dir
from pipeline.weights.card_sources import PackageSource
from pipeline.weights.sources import fetch, kept_archives

MEMBERS = {"parcel-1.0/a.onnx": b"network A", "parcel-1.0/b.onnx": b"network B", "parcel-1.0/c.jpg": b"photo C"}
ARCHIVE = tar_gz(MEMBERS)
NAME = "parcel-1.0.tar.gz"


def source(member: str) -> PackageSource:
    data = MEMBERS[member]
    return PackageSource(
        kind="package",
        project="parcel",
        version="1.0",
        filename=NAME,
        sha256=sha(ARCHIVE),
        size=len(ARCHIVE),
        member=member,
        member_sha256=sha(data),
        member_size=len(data),
    )


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with running(Site()) as site:
        site.answers = [package_index({"parcel": {NAME: ARCHIVE}})]
        monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("PIP_RETRIES", "0")
        yield site


def test_what_is_in_one_archive_takes_one_fetch(index: Site, tmp_path: Path) -> None:
    said: list[str] = []
    with kept_archives(tmp_path / "models") as archives:
        for number, (member, data) in enumerate(MEMBERS.items()):
            folder = tmp_path / str(number)
            folder.mkdir()
            got = fetch(source(member), folder, lambda what, _done, _total: said.append(what), archives)
            assert got.read_bytes() == data
            assert got.parent == folder
        assert (archives / NAME).is_file()
    assert len(index.requests) == 2  # the page and the archive, for three members
    assert set(said) == {NAME}
    assert not list((tmp_path / "models").rglob("*.tar.gz"))


def test_what_a_killed_process_left_is_used_only_if_it_is_whole(index: Site, tmp_path: Path) -> None:
    member = "parcel-1.0/a.onnx"
    with kept_archives(tmp_path) as archives:
        archives.mkdir(parents=True)
        (archives / NAME).write_bytes(ARCHIVE[:-7])
        assert fetch(source(member), tmp_path, None, archives).read_bytes() == MEMBERS[member]
        assert len(index.requests) == 2
        assert fetch(source(member), tmp_path, None, archives).read_bytes() == MEMBERS[member]
        assert len(index.requests) == 2


def test_an_archive_that_another_process_is_reading_stays(index: Site, tmp_path: Path) -> None:
    with kept_archives(tmp_path) as archives:
        fetch(source("parcel-1.0/a.onnx"), tmp_path, None, archives)
        other = FileLock(f"{archives / NAME}.lock")
        other.acquire()
    assert (archives / NAME).is_file()
    other.release()
    with kept_archives(tmp_path):
        pass
    assert not (archives / NAME).exists()


def test_nothing_is_made_where_nothing_is_fetched(tmp_path: Path) -> None:
    with kept_archives(tmp_path / "models"):
        pass
    assert not (tmp_path / "models").exists()


def test_the_demo_fetches_no_project_in_two_files() -> None:
    """Models and photos of one project come from the same release file."""
    files: dict[str, set[str]] = {}
    cards = [tomllib.loads((cards_dir() / f"{name}.toml").read_text()) for name in
             ("yunet.2023mar", "onet.mtcnn", "sface.2021dec")]  # fmt: skip
    sources = [card["sources"][0] for card in cards]
    for one in sources + tomllib.loads((data_dir() / "samples.toml").read_text())["archives"]:
        files.setdefault(one["project"], set()).add(one["filename"])
    assert all(len(names) == 1 for names in files.values()), files
