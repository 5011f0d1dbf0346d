"""How this machine runs the networks fastest, as `knownface bench --tune` measured it.

The choice lies in `tuned.json` in the user's data folder. It holds on the machine, with the library versions and for
the models it was measured with; otherwise it is passed over, as if it were not there.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.config import Settings
from pipeline.version import __version__

FILE = "tuned.json"
_LIBRARIES = ("onnxruntime", "openvino", "numpy", "opencv-python-headless")


class Tuned(BaseModel):
    """What was measured to be fastest.

    Attributes:
        machine: Processor and cores.
        versions: Of Knownface and the libraries that do the work.
        models: model_id of detector, refiner (if any) and embedder.
        runtimes: The runtime of each model, by model_id.
        workers: Parallel streams.
        threads: Of one call.
        batch: Faces in one pass through the embedder.
        measured_at: ISO 8601, UTC.
        evidence: What was measured, for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str
    versions: dict[str, str]
    models: tuple[str, ...]
    runtimes: dict[str, str]
    workers: int = Field(ge=1, le=256)
    threads: int = Field(ge=1, le=256)
    batch: int = Field(ge=1, le=256)
    measured_at: str = ""
    evidence: dict[str, Any] = {}

    def holds_for(self, model_ids: Sequence[str]) -> bool:
        """Whether it was measured with these very models."""
        return tuple(model_ids) == self.models

    def apply(self, settings: Settings) -> Settings:
        """The settings with its number of workers, where they leave it open and name the models measured."""
        named = [settings.detector, *([] if settings.refiner == "none" else [settings.refiner]), settings.embedder]
        same = [model_id.split("@")[0] for model_id in self.models] == named
        return settings.model_copy(update={"workers": self.workers}) if same and not settings.workers else settings


def machine_here() -> str:
    """This machine's processor and how many cores may be used."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return f"{model}, {platform.machine()}, {os.cpu_count() or 1} cores"


def versions_here() -> dict[str, str]:
    """Versions of Knownface and of the libraries that do the work, as far as they are there."""
    found = {"knownface": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def read_tuned(settings: Settings) -> Tuned | None:
    """What was measured for this machine; None where nothing was, it no longer holds, or the settings choose."""
    file = settings.home / FILE
    if settings.runtime != "auto" or settings.provider != "cpu" or not file.is_file():
        return None
    try:
        tuned = Tuned.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
    return tuned if tuned.machine == machine_here() and tuned.versions == versions_here() else None


def write_tuned(settings: Settings, tuned: Tuned) -> Path:
    """Keeps it, whole or not at all; returns the file.

    Raises:
        OSError: The folder cannot be written.
    """
    file = settings.home / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{FILE}.{uuid4().hex}")
    try:
        temporary.write_text(tuned.model_dump_json(indent=1) + "\n", encoding="utf-8")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    return file
