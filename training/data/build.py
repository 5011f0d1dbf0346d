"""From photos to shards of aligned crops: chunk after chunk, each a shard that is there whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from pipeline.errors import PhotoError, SeveralFacesError, TrainingDataError
from pipeline.recognizer import Faces, no_face
from training.data.shard import read_text_of
from training.data.shard_index import PLAN, ShardIndex
from training.data.shard_writer import Encoding, ShardWriter, encode_crop, shard_file, write_durably

_FORMAT = "knownface-build-1"


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to cut a face out of: who it shows, and its name below the folder."""

    identity: str
    name: str


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What makes a difference to the shards.

    Attributes:
        models: Names and hashes of the networks that find faces.
        encoding: Of the crops.
        shard: Photos in a shard.
        only_face: Photos with several faces fail, instead of giving the most prominent one.
        seed: Photos are dealt to the shards in an order of this seed, so that identities are spread.
    """

    models: tuple[str, ...]
    encoding: Encoding = "jpg"
    shard: int = 5000
    only_face: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class BuiltShard:
    """A shard that is done, now or by an earlier run."""

    file: Path
    index: ShardIndex
    resumed: bool


#: Photos to their faces, in the same order.
Stream = Callable[[Sequence[Photo]], Iterator[tuple[Photo, Faces | PhotoError]]]


def build(
    source: Path, photos: Sequence[Photo], out: Path, stream: Stream, options: BuildOptions
) -> Iterator[BuiltShard]:
    """Cuts the faces out of photos and writes them into shards; goes on where an earlier run stopped.

    Args:
        source: Folder of the photos.
        photos: Which.
        out: Folder of the shards.
        stream: Detects and aligns.
        options: How.

    Raises:
        TrainingDataError: The folder holds a set of other photos or options, or is being written by another process.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / ".lock", timeout=0):
            _claim(out, _plan(source, photos, options))
            order = np.random.default_rng(options.seed).permutation(len(photos))
            for number, start in enumerate(range(0, len(photos), options.shard)):
                chunk = order[start : start + options.shard]
                yield _shard(shard_file(out, number), photos, chunk, stream, options)
    except Timeout as error:
        raise TrainingDataError(f"{out}: another process is writing to it; wait for it, or name another") from error


def _shard(file: Path, photos: Sequence[Photo], chunk: Any, stream: Stream, options: BuildOptions) -> BuiltShard:
    kept = ShardIndex.beside(file) if file.is_file() else None
    if kept is not None and kept.size == file.stat().st_size:
        return BuiltShard(file, kept, resumed=True)
    with ShardWriter(file) as writer:
        results = stream([photos[int(number)] for number in chunk])
        for number, (photo, faces) in zip(chunk, results, strict=True):
            _add(writer, int(number), photo, faces, options)
    written = ShardIndex.beside(file)
    assert written is not None  # noqa: S101 - it was just written
    return BuiltShard(file, written, resumed=False)


def _add(writer: ShardWriter, number: int, photo: Photo, faces: Faces | PhotoError, options: BuildOptions) -> None:
    """The most prominent face, or a row that says why there is none."""
    error = faces if isinstance(faces, PhotoError) else None
    if isinstance(faces, Faces):
        if not len(faces):
            error = no_face(photo.name)
        elif len(faces) > 1:
            writer.note_several()
            if options.only_face:
                error = SeveralFacesError(f"{photo.name}: shows {len(faces)} faces; leave out --only-face, or crop it")
    if error is not None or isinstance(faces, PhotoError):
        assert error is not None  # noqa: S101 - for the type checker
        writer.fail({"photo": photo.name, **error.as_dict()})
        return
    found = faces.detections
    about = {
        "box": [round(float(value), 2) for value in found.boxes[0]],
        "confidence": round(float(found.confidences[0]), 4),
        "faces": len(faces),
        "sha256": faces.photo_sha256,
    }
    crop = encode_crop(faces.aligned.crops[0], options.encoding)
    writer.add(number, crop, options.encoding, photo.identity, photo.name, about)


def _plan(source: Path, photos: Sequence[Photo], options: BuildOptions) -> dict[str, Any]:
    """What the shards depend on: with another plan none of them could be kept."""
    digest = hashlib.sha256()
    for photo in photos:
        status = (source / photo.name).stat()
        line = f"{photo.identity}\0{photo.name}\0{status.st_size}\0{status.st_mtime_ns}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    shards = -(-len(photos) // options.shard)
    facts = {"photos": len(photos), "shards": shards, "sha256": digest.hexdigest(), "options": asdict(options)}
    return {"format": _FORMAT, **facts}


def _claim(out: Path, plan: dict[str, Any]) -> None:
    """Writes the plan, or sees that it is the one that is there."""
    file = out / PLAN
    plan = json.loads(json.dumps(plan))
    if not file.exists():
        if any(not entry.name.startswith(".") for entry in out.iterdir()):
            raise TrainingDataError(f"{out}: is not empty, and no set is being built in it; name another folder")
        write_durably(file, json.dumps(plan, indent=1) + "\n")
        return
    try:
        kept = json.loads(read_text_of(file))
    except ValueError as error:
        raise TrainingDataError(f"{file}: is no JSON; name another folder") from error
    if kept != plan:
        what = "other options" if isinstance(kept, dict) and kept.get("sha256") == plan["sha256"] else "other photos"
        raise TrainingDataError(f"{out}: holds a set of {what}, or of photos that were changed; name another folder")
