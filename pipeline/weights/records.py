"""What is known about an installed model: on disk beside it, and in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.weights.card import Card, RuntimeRecord
from pipeline.weights.card_sources import Sha256

RECORD = "installed.json"


class InstallRecord(BaseModel):
    """What is known about an installed file, so that a start need not hash it.

    Attributes:
        sha256: Of the file.
        size: In bytes.
        mtime_ns: Time of last change when it was hashed.
        ctime_ns: The same as the file system keeps it, which nobody can set; 0 in older records.
        inode: Which file it was; 0 in older records.
        source_sha256: Of what was fetched, before the transform.
        origin: Where that came from, in words.
        installed_at: ISO 8601, UTC.
        runtime: The runtime that was measured to be fastest, None before that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Sha256
    size: int
    mtime_ns: int
    ctime_ns: int = 0
    inode: int = 0
    source_sha256: Sha256
    origin: str
    installed_at: str
    runtime: RuntimeRecord | None = None

    def seen_as(self, status: os.stat_result) -> InstallRecord:
        """The same record for a file that looks like this now."""
        now = {"mtime_ns": status.st_mtime_ns, "ctime_ns": status.st_ctime_ns, "inode": status.st_ino}
        return self.model_copy(update={"size": status.st_size, **now})


def read_record(folder: Path) -> InstallRecord | None:
    """The record in a model's folder; None if it is not there, or not to be relied on: the model is not installed."""
    try:
        return InstallRecord.model_validate_json((folder / RECORD).read_bytes())
    except (OSError, ValidationError):
        return None


def write_record(folder: Path, record: InstallRecord) -> None:
    """Puts a record into a model's folder, whole or not at all.

    Raises:
        OSError: The folder cannot be written.
    """
    temporary = folder / f".{RECORD}.{uuid4().hex}"
    try:
        temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
        temporary.replace(temporary.with_name(RECORD))
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model that is installed and can be run.

    Attributes:
        card: Its card.
        file: The ONNX file; of an ensemble, which has none, the folder of all models.
        sha256: Of the file; of an ensemble, of its members, their options and weights.
        runtime: The runtime measured to be fastest on this machine; None before `models pull` has measured it.
        origin: Where it came from, in words.
        installed_at: ISO 8601, UTC.
        members: The networks of an ensemble, in the order of its card.
    """

    card: Card
    file: Path
    sha256: str
    runtime: RuntimeRecord | None = None
    origin: str = ""
    installed_at: str = ""
    members: tuple[InstalledModel, ...] = ()

    @property
    def model_id(self) -> str:
        """`arch.tag@sha8`."""
        return f"{self.card.name}@{self.sha256[:8]}"


@dataclass(frozen=True, slots=True)
class StoreRow:
    """One known model: its card, and what is installed of it.

    Attributes:
        card: Its card.
        installed: The installed model, None if it is not there or damaged.
        size: Bytes of the installed file, 0 if there is none.
        problem: Why an installed model cannot be used, "" if all is well.
    """

    card: Card
    installed: InstalledModel | None
    size: int
    problem: str


@dataclass(frozen=True, slots=True)
class Added:
    """What came of `models add`.

    Attributes:
        models: The models that were installed.
        ignored: Files that were left out, each with the reason.
    """

    models: tuple[InstalledModel, ...]
    ignored: tuple[tuple[str, str], ...]
