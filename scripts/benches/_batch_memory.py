"""Peak memory of a run, and of writing its results, for a folder and one of ten times as many files.

As a program: one run in a process of its own.

    python -m scripts.benches._batch_memory HOME PHOTOS STAND_IN
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np

from app.runs.session import Plan, Session
from app.services import Services
from pipeline.build import build_recognizer
from pipeline.config import Settings
from pipeline.config import home as user_home
from scripts.benches._batch_folder import distinct

_PEOPLE = 3000
_SPREAD = 0.3


class StandIn:
    """In place of the recognition network: a vector for every crop, near that of one of some thousand people."""

    runtime = "stand-in"

    def __init__(self, session) -> None:
        self.session = session  # stays loaded, so that its memory counts
        self.inputs, self.outputs = session.inputs, session.outputs
        self.people = np.random.default_rng(0).standard_normal((_PEOPLE, 128)).astype(np.float32)

    def run(self, inputs):
        (blob,) = inputs.values()
        seeds = [zlib.crc32(np.ascontiguousarray(crop)) for crop in blob]
        rows = [
            self.people[seed % _PEOPLE] + _SPREAD * np.random.default_rng(seed).standard_normal(128) for seed in seeds
        ]
        return {self.outputs[0]: np.array(rows, np.float32)}


class Watched:
    """Listens to a run; remembers the peak at the beginning of each phase."""

    def __init__(self) -> None:
        self.peaks: dict[str, float] = {}

    def standing(self, standing) -> None:
        if standing.phase not in self.peaks:
            self.peaks[standing.phase] = peak_mb()

    def note(self, *_) -> None: ...
    def ready(self, *_) -> None: ...
    def committed(self, *_) -> None: ...
    def decided(self, *_) -> None: ...


def memory(photos: Path, files: int, *, real: bool) -> dict:
    """Peak resident memory in megabytes for `files` and for ten times as many different photos."""
    sources = sorted(photos.rglob("*.jpg"))
    found = {count: _measured(sources, count, real=real) for count in (files, 10 * files)}
    few, many = found[files], found[10 * files]
    return {
        "files": [files, 10 * files],
        "embedder": "the default one" if real else "a stand-in; all else is real (--real: the default one)",
        "peak_mb": found,
        "ratio": {step: round(many[step] / few[step], 3) for step in few if step.endswith("_mb")},
    }


def _measured(sources: list[Path], count: int, *, real: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "home").mkdir()
        (folder / "home" / "models").symlink_to(user_home() / "models", target_is_directory=True)
        for number in range(count):
            data = distinct(sources[number % len(sources)].read_bytes(), number)
            file = folder / "photos" / f"{number // 1000}" / f"{number:06d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        run = ["scripts.benches._batch_memory", str(folder / "home"), str(folder / "photos"), "" if real else "yes"]
        found = {"run_mb": _peak(run, folder / "home", folder / "said")}
        said = json.loads((folder / "said").read_text())
        report = ["app.cli", "--quiet", "runs", "report", "r", "--out", str(folder / "out"), "--format"]
        found["tables_mb"] = _peak([*report, "csv,jsonl,parquet"], folder / "home", folder / "said")
        found["html_assets_mb"] = _peak([*report, "html", "--assets"], folder / "home", folder / "said")
        return found | said


def _peak(words: list[str], home: Path, said: Path) -> float:
    """Runs a module; its peak resident memory in megabytes."""
    with said.open("w") as out:
        child = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", *words],
            env={**os.environ, "KNOWNFACE_HOME": str(home)},
            stdout=out,
        )
        _, status, usage = os.wait4(child.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return round(usage.ru_maxrss / 1024, 1)


def peak_mb() -> float:
    """The peak of this process so far, which a parent's does not count into (Linux; VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024, 1)


def _run(home: Path, photos: Path, *, stand_in: bool) -> dict:
    settings = Settings.load()
    services, listener = Services(settings), Watched()
    services._recognizer = recognizer = build_recognizer(settings)
    if stand_in:
        recognizer._embedder._session = StandIn(recognizer._embedder._session)
    with Session(services, Plan("r", (str(photos),), home=home), listener) as session:
        session.once()
    services.close()
    return {"faces": session.run.progress()["faces"], "peak_before": listener.peaks}


if __name__ == "__main__":
    print(json.dumps(_run(Path(sys.argv[1]), Path(sys.argv[2]), stand_in=bool(sys.argv[3]))))
