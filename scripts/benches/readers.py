"""What writers cost a reader: searches in a loop, first alone, then while other processes enrol in bulk.

    scripts/bench readers [--gallery 20000] [--dimension 512] [--writers 2] [--transactions 10] [--size 1000]
                          [--remove] [--json]

The reader holds a gallery of `--gallery` templates and searches one probe after another. The writers are processes of
their own; each enrols `--transactions` transactions of `--size` templates (with --remove, and removes one subject after
each). Three phases: `quiet`; `beside_others`, where the writers write to another gallery, so that they take the same
processor and disk but cannot be in the reader's way; `beside_writers`, where they write to the reader's gallery.

`wall_ms` is what a caller waits. It is made of `cpu_ms`, the thread's own work (a search that follows a commit reads
its rows); `queued_ms`, ready to run while other programs have the cores (the scheduler's own count, Linux); and
`blocked_ms`, the rest: locks and disks. `pause_ms` is the wall time beside writers less the quiet median.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.gallery.gallery import Gallery
from pipeline.types import Templates
from scripts.benches._vectors import MODEL, people, samples

_SCHEDSTAT = Path("/proc/thread-self/schedstat")
_GOAL_MS = 50.0


def fill(gallery: Gallery, vectors: np.ndarray, start: int, size: int) -> None:
    """Enrols the vectors in transactions of `size`."""
    items = list(samples(vectors, start))
    for low in range(0, len(items), size):
        gallery.enrol_many(items[low : low + size])


def write(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """A writer: tells when each of its transactions was acknowledged."""
    start = 10_000_000 * (1 + options.inside)
    vectors = people(options.transactions * options.size, options.dimension, 100 + options.inside)
    batches = [
        list(samples(vectors[low : low + options.size], start + low)) for low in range(0, len(vectors), options.size)
    ]
    commits = []
    with Gallery.open(folder, MODEL, options.dimension) as gallery:
        for batch in batches:
            before = time.perf_counter()
            gallery.enrol_many(batch)
            commits.append((time.perf_counter() - before) * 1e3)
            if options.remove:
                gallery.remove(batch[0][0])
    return {"templates": len(vectors), "commit_ms_median": float(np.median(commits)), "commit_ms_max": max(commits)}


def queued_ms() -> float:
    """Milliseconds that this thread was ready and had no core; 0 where the system does not tell."""
    try:
        return int(_SCHEDSTAT.read_text(encoding="ascii").split()[1]) / 1e6
    except (OSError, IndexError):
        return 0.0


class Reader:
    """Searches in a loop and notes how long each took."""

    def __init__(self, gallery: Gallery, vectors: np.ndarray) -> None:
        self.gallery = gallery
        self.probes = [
            Templates(vectors[n : n + 1], np.ones(1, np.float32), MODEL) for n in range(min(64, len(vectors)))
        ]
        self.rows: list[tuple[float, float, float]] = []  # wall, processor and queueing time of a search

    def search(self) -> None:
        """One search."""
        probe = self.probes[len(self.rows) % len(self.probes)]
        queued, wall, cpu = queued_ms(), time.perf_counter(), time.thread_time()
        self.gallery.search(probe)
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        self.rows.append((wall * 1e3, cpu * 1e3, queued_ms() - queued))

    def figures(self) -> dict[str, Any]:
        """Median, p99 and worst of what was noted; forgets it."""
        wall, cpu, queued = np.array(self.rows).T
        self.rows = []
        columns = {"wall_ms": wall, "cpu_ms": cpu, "queued_ms": queued}
        columns["blocked_ms"] = np.maximum(wall - cpu - queued, 0)
        result: dict[str, Any] = {"searches": len(wall)}
        for name, values in columns.items():
            result[name] = {
                "median": round(float(np.median(values)), 3),
                "p99": round(float(np.percentile(values, 99)), 3),
                "worst": round(float(values.max()), 3),
            }
        return result


def beside(reader: Reader, folder: Path, options: argparse.Namespace, seed: int) -> tuple[dict[str, Any], list[Any]]:
    """Searches while the writers write to the gallery in this folder; figures of the reader and of the writers."""
    command = [sys.executable, "-m", "scripts.benches", "readers", "--json", *options.given, "--folder", str(folder)]
    writers = [
        subprocess.Popen([*command, "--inside", str(seed + number)], stdout=subprocess.PIPE, text=True)
        for number in range(options.writers)
    ]
    while any(writer.poll() is None for writer in writers):
        reader.search()
    written = [json.loads(writer.communicate()[0]) for writer in writers]
    return reader.figures(), [
        {key: row[key] for key in ("templates", "commit_ms_median", "commit_ms_max")} for row in written
    ]


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Quiet, beside writers of another gallery, beside writers of this one."""
    vectors = people(options.gallery, options.dimension, 3)
    with Gallery.open(folder / "read", MODEL, options.dimension) as gallery:
        fill(gallery, vectors, 0, 1000)
        reader = Reader(gallery, vectors)
        reader.search()
        reader.figures()
        until = time.perf_counter() + options.quiet_s
        while time.perf_counter() < until:
            reader.search()
        quiet = reader.figures()
        others, _ = beside(reader, folder / "other", options, 0)
        busy, written = beside(reader, folder / "read", options, options.writers)
        held = gallery.sample_count
        problems = [problem.message for problem in gallery.check()]
    median = quiet["wall_ms"]["median"]
    return {
        "fsync": "SQLite WAL, synchronous=FULL: one fsync per commit",
        "quiet": quiet,
        "beside_others": others,
        "beside_writers": busy,
        "pause_ms": {key: round(busy["wall_ms"][key] - median, 3) for key in ("p99", "worst")},
        "pause_beside_others_ms": {key: round(others["wall_ms"][key] - median, 3) for key in ("p99", "worst")},
        "blocked_worst_ms": busy["blocked_ms"]["worst"],
        "blocked_goal_ms": _GOAL_MS,
        "blocked_within_goal": bool(busy["blocked_ms"]["worst"] <= _GOAL_MS),
        "writers": written,
        "samples": held,
        "problems": problems,
    }


def run(args: list[str]) -> dict[str, Any]:
    """Measures; see the module."""
    parser = argparse.ArgumentParser(prog="scripts/bench readers", description=__doc__)
    parser.add_argument("--gallery", type=int, default=20_000, help="templates there before")
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--writers", type=int, default=2, help="processes that enrol")
    parser.add_argument("--transactions", type=int, default=10, help="of each writer")
    parser.add_argument("--size", type=int, default=1000, help="templates in a transaction")
    parser.add_argument("--quiet-s", type=float, default=3.0, help="seconds of searching alone")
    parser.add_argument("--remove", action="store_true", help="the writers remove subjects too")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(args)
    options.given = args
    if options.inside is not None:
        return write(options.folder, options)
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder), options)
