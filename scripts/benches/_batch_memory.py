"""Peak memory of `identify --run`, and of writing its results, for a folder and one of ten times as many files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline.config import home as user_home
from scripts.benches._batch_folder import distinct


def memory(photos: Path, files: int) -> dict:
    """Peak resident memory in megabytes for `files` and for ten times as many different photos."""
    sources = sorted(photos.rglob("*.jpg"))
    found = {count: _measured(sources, count) for count in (files, 10 * files)}
    few, many = found[files], found[10 * files]
    return {
        "files": [files, 10 * files],
        "peak_mb": found,
        "ratio": {step: round(many[step] / few[step], 3) for step in few if step.endswith("_mb")},
    }


def _measured(sources: list[Path], count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "home").mkdir()
        (folder / "home" / "models").symlink_to(user_home() / "models", target_is_directory=True)
        for number in range(count):
            data = distinct(sources[number % len(sources)].read_bytes(), number)
            file = folder / "photos" / f"{number // 1000}" / f"{number:06d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        common = ["--quiet", "--gallery", str(folder / "gallery")]
        run = _peak([*common, "identify", str(folder / "photos"), "--run", "r"], folder / "home")
        report = ["runs", "report", "r", "--out", str(folder / "out"), "--format"]
        tables = _peak([*common, *report, "csv,jsonl,parquet"], folder / "home")
        page = _peak([*common, *report, "html", "--assets"], folder / "home")
        return {"run_mb": run, "tables_mb": tables, "html_assets_mb": page}


def _peak(words: list[str], home: Path) -> float:
    """Runs a command; its peak resident memory in megabytes."""
    child = subprocess.Popen(
        [sys.executable, "-m", "app.cli", *words],
        env={**os.environ, "KNOWNFACE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return round(usage.ru_maxrss / 1024, 1)
