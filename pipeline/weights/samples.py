"""The sample photos of the demo: fetched like models, from pinned archives, with their credits."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import CardError
from pipeline.weights.card import data_dir
from pipeline.weights.card_sources import PackageSource, Sha256
from pipeline.weights.files import Progress, remove, sha256_of

_ONE_NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$"


class SampleEntry(BaseModel):
    """One photo of the manifest; see `Sample`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(pattern=_ONE_NAME)
    person: str = Field(pattern=_ONE_NAME)
    role: Literal["enrol", "probe"]
    member: str
    sha256: Sha256
    size: int = Field(gt=0)
    title: str
    credit: str
    licence: str
    public_domain: bool
    page: str


class SampleArchive(BaseModel):
    """A pinned release file in the Python package index, and what is taken from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    version: str
    filename: str = Field(pattern=_ONE_NAME)
    sha256: Sha256
    size: int = Field(gt=0)
    photos: tuple[SampleEntry, ...]

    def source(self, photo: SampleEntry) -> PackageSource:
        """The photo as a source."""
        return PackageSource(
            kind="package",
            project=self.project,
            version=self.version,
            filename=self.filename,
            sha256=self.sha256,
            size=self.size,
            member=photo.member,
            member_sha256=photo.sha256,
            member_size=photo.size,
        )


class SampleManifest(BaseModel):
    """`data/samples.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    archives: tuple[SampleArchive, ...]

    @classmethod
    def load(cls, file: Path | None = None) -> SampleManifest:
        """Reads the manifest, by default the one that comes with Knownface.

        Raises:
            CardError: It cannot be read or does not validate.
        """
        file = file or data_dir() / "samples.toml"
        try:
            return cls.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
            raise CardError(f"{file}: cannot be used ({' '.join(str(error).split())[:200]})") from error


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample photo on this machine.

    Attributes:
        path: The photo.
        person: Who is in it.
        role: `enrol`, or `probe` for the photos to identify.
        title: What it shows, and when it was taken.
        credit: Who took it.
        licence: Terms of use.
        public_domain: It may be shown anywhere without more ado.
        page: Where it is published.
    """

    path: Path
    person: str
    role: Literal["enrol", "probe"]
    title: str
    credit: str
    licence: str
    public_domain: bool
    page: str


def present_samples(dest: Path) -> list[Sample]:
    """The sample photos that were pulled to a folder before; nothing is fetched."""
    here = [(photo, _path(dest, photo)) for archive in SampleManifest.load().archives for photo in archive.photos]
    return [_sample(path, photo) for photo, path in here if _is(path, photo)]


def _sample(path: Path, p: SampleEntry) -> Sample:
    return Sample(path, p.person, p.role, p.title, p.credit, p.licence, p.public_domain, p.page)


def pull_samples(
    dest: Path,
    progress: Progress | None = None,
    manifest: SampleManifest | None = None,
    archives: Path | None = None,
) -> list[Sample]:
    """Fetches the sample photos; quick when they are there already.

    Args:
        dest: Gets `enrol/<person>/<file>` and `photos/<file>`.
        progress: Told what is being fetched, bytes so far and bytes in all.
        manifest: What to fetch, by default what comes with Knownface.
        archives: Of `pipeline.weights.sources.kept_archives`, where models are pulled as well.

    Raises:
        FetchError, HashMismatchError: An archive could not be fetched, or is not the pinned one.
    """
    manifest = manifest or SampleManifest.load()
    samples: list[Sample] = []
    for archive in manifest.archives:
        here = [(photo, _path(dest, photo)) for photo in archive.photos]
        missing = [(photo, path) for photo, path in here if not _is(path, photo)]
        if missing:
            _take(archive, missing, dest, progress, archives)
        samples += [_sample(path, photo) for photo, path in here]
    return samples


def _take(
    archive: SampleArchive,
    wanted: list[tuple[SampleEntry, Path]],
    dest: Path,
    progress: Progress | None,
    archives: Path | None,
) -> None:
    from filelock import FileLock  # noqa: PLC0415  only when something is fetched

    from pipeline.weights.sources import fetch  # noqa: PLC0415

    folder = dest / ".fetch"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(dest / ".lock"):
        for photo, path in wanted:
            got = fetch(archive.source(photo), folder, progress, archives)
            path.parent.mkdir(parents=True, exist_ok=True)
            got.replace(path)
            progress = None  # the archive is here now
        remove(folder)


def _path(dest: Path, photo: SampleEntry) -> Path:
    return dest / "enrol" / photo.person / photo.file if photo.role == "enrol" else dest / "photos" / photo.file


def _is(path: Path, photo: SampleEntry) -> bool:
    return path.is_file() and path.stat().st_size == photo.size and sha256_of(path) == photo.sha256
