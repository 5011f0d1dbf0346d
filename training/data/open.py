"""Finds out what kind of set stands somewhere, and opens it."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import TrainingDataError
from training.data.dataset import FaceDataset
from training.data.folder import FolderDataset
from training.data.recordio import RecordDataset
from training.data.shard_index import check_finished
from training.data.tar import TarDataset
from training.data.tfrecord import TFRecordDataset


def open_dataset(path: Path, *, image_feature: str | None = None, label_feature: str | None = None) -> FaceDataset:
    """Opens a set of crops.

    Args:
        path: A shard; or a folder with `.rec`, `.tar` or TFRecord files in it; or one with a folder per identity.
        image_feature: TFRecord: the feature with the crop.
        label_feature: TFRecord: the feature with the identity.

    Raises:
        TrainingDataError: There is none, it is not clear which, or it is damaged.
        ExtraMissingError: A package it needs is not installed.
    """
    kinds = _kinds(path)
    check_finished(path, len(kinds.get("tar", [])))
    if len(kinds) > 1:
        raise TrainingDataError(f"{path}: holds {' and '.join(kinds)} files: name a file, or part them")
    if not kinds:
        return FolderDataset(path)
    ((kind, files),) = kinds.items()
    if kind == "tar":
        return TarDataset(files)
    if kind == "TFRecord":
        return TFRecordDataset(files, image_feature=image_feature, label_feature=label_feature)
    if len(files) > 1:
        raise TrainingDataError(f"{path}: holds {len(files)} .rec files: name one")
    return RecordDataset(files[0])


def _kinds(path: Path) -> dict[str, list[Path]]:
    """The shards by their kind, in the order of their names."""
    try:
        files = sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else [path]
    except OSError as error:
        raise TrainingDataError(f"{path}: cannot be read ({error.strerror})") from error
    found: dict[str, list[Path]] = {}
    for file in files:
        kind = _kind(file.name.lower())
        if kind and not file.name.startswith("."):
            found.setdefault(kind, []).append(file)
    return found


def _kind(name: str) -> str | None:
    """By the name: `x.tfrecord`, `x.tfrecords` and `x.tfrecord-00003-of-00010` are all in use."""
    if name.endswith(".rec"):
        return "RecordIO"
    if name.endswith(".tar"):
        return "tar"
    if ".tfrecord" in name and not name.endswith((".idx", ".index", ".json")):
        return "TFRecord"
    return None
