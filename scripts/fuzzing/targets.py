"""What is fuzzed: a function that takes any bytes, and small files of the kind to begin with.

A target lets nothing out but what is a finding: every error that has a name (KnownfaceError) is an answer.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.errors import KnownfaceError
from scripts.fuzzing import seeds

_PIXELS = 1_000_000
_BYTES = 1 << 20


class Zip(io.BytesIO):
    """A zip as the web page hands it over."""

    file_id, name = "z", "photos.zip"


def photo(data: bytes, _: Path) -> None:
    """Opens and decodes a photo."""
    from pipeline.images import open_photo

    opened = open_photo(data, name="photo", max_bytes=_BYTES, max_pixels=_PIXELS)
    opened.pixels()
    opened.thumbnail(64)


def card(data: bytes, folder: Path) -> None:
    """Reads a model's card."""
    from pipeline.weights.card import Card

    Card.read(_file(folder, "sface.toml", data))


def config(data: bytes, folder: Path) -> None:
    """Reads settings, a policy, and the list that `--sort-into` leaves."""
    from app.policy import Policy
    from app.runs.output.manifest import Manifest
    from pipeline.config import Settings

    file = _file(folder, "settings.toml", data)
    for read in (Settings.load, Policy.read):
        with suppress(KnownfaceError):
            read(file)
    _file(folder, ".knownface-results", data)
    found = Manifest.open(folder)
    root = folder.resolve()
    assert all((root / name).parent.resolve().is_relative_to(root) for name in found.files)
    assert all((root / name).resolve().parent == root for name in found.folders.values())


def bin(data: bytes, folder: Path) -> None:  # noqa: A001 - what the format is called
    """Reads an evaluation set of InsightFace."""
    from app.evaluation.bins import read_bin

    read_bin(_file(folder, "set.bin", data))


def rec(data: bytes, folder: Path) -> None:
    """Reads crops of a RecordIO file without its index."""
    from training.data.recordio import RecordDataset

    crops = RecordDataset(_file(folder, "train.rec", data))
    for number in range(min(len(crops), 5)):
        with suppress(KnownfaceError):
            crops.read(number)


def zip(data: bytes, folder: Path) -> None:  # noqa: A001 - what the format is called
    """Lists and reads the photos of an uploaded zip, and unpacks a zip of models."""
    from app.web.archive import members
    from pipeline.weights.files import unpack_zip

    with suppress(KnownfaceError):
        for member in islice(members(Zip(data), _BYTES), 20):  # type: ignore[arg-type]
            with suppress(KnownfaceError):
                assert len(member.getvalue()) <= _BYTES
    into = folder / "into"
    into.mkdir(exist_ok=True)
    unpack_zip(_file(folder, "models.zip", data), into, (".onnx", ".toml", ".jpg"))


def backup(data: bytes, folder: Path) -> None:
    """Restores a gallery, looks for damage and reads everybody."""
    from pipeline.gallery import Gallery

    place = folder / "gallery"
    Gallery.restore(_file(folder, "backup.db", data), place)
    with Gallery.open(place, "model", 8) as gallery:
        gallery.check()
        for one in gallery.subjects(limit=10):
            with suppress(KnownfaceError):
                gallery.export(one.name)
        gallery.verify_audit()


def video(data: bytes, folder: Path) -> None:
    """Opens a video and decodes some frames."""
    from pipeline.video import open_video
    from pipeline.video.limits import VideoLimits

    limits = VideoLimits(max_pixels=_PIXELS, max_seconds=60, max_frames=200)
    with open_video(_file(folder, "clip.mp4", data), limits) as opened:
        for frame in islice(opened.frames(200), 5):
            frame.photo.pixels()


def xmp(data: bytes, _: Path) -> None:
    """Puts a name into a sidecar, writes it, reads it again and takes the name out."""
    from app.runs.output.xmp_document import Region, Sidecar, XmpError

    try:
        document = Sidecar(data)
    except XmpError:
        return
    document.update([Region("Ada", "0123456789abcdef-1", 0.5, 0.5, 0.2, 0.2)], (100, 100))
    again = Sidecar(document.data())
    again.update((), None)
    again.data()


@dataclass(frozen=True, slots=True)
class Target:
    """A target.

    Attributes:
        run: Takes the bytes and an empty folder.
        seeds: Makes the files to begin with.
    """

    run: Callable[[bytes, Path], None]
    seeds: Callable[[], list[bytes]]

    def __call__(self, data: bytes, folder: Path) -> None:
        """One trial; whatever is raised is a finding."""
        with suppress(KnownfaceError):
            self.run(data, folder)


TARGETS: dict[str, Target] = {
    "photo": Target(photo, seeds.photos),
    "card": Target(card, seeds.cards),
    "config": Target(config, seeds.configs),
    "bin": Target(bin, seeds.bins),
    "rec": Target(rec, seeds.recs),
    "zip": Target(zip, seeds.zips),
    "backup": Target(backup, seeds.backups),
    "video": Target(video, seeds.videos),
    "xmp": Target(xmp, seeds.sidecars),
}


def _file(folder: Path, name: str, data: bytes) -> Path:
    file = folder / name
    file.write_bytes(data)
    return file


def modules() -> list[Any]:
    """Imports what the targets use, so that atheris can follow it."""
    import importlib

    names = "app.policy app.web.archive app.evaluation.bins app.runs.output.manifest app.runs.output.xmp_document"
    names += (
        " pipeline.config pipeline.gallery pipeline.images pipeline.video pipeline.video.file pipeline.weights.card"
    )
    return [importlib.import_module(name) for name in [*names.split(), "training.data.recordio"]]
