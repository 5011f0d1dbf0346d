"""Durable enrolment: one commit a template, and transactions of a thousand.

    scripts/bench enrolment [--bulk 10000] [--size 1000] [--singles 300] [--dims 128,512] [--folder DIR] [--json]

Nothing is written but the gallery: the templates are made up beforehand. Beside it stands what the disk itself allows:
`fsyncs_per_s` is how often 4 KiB can be appended to a file and synced here, which is the least that any durable commit
does; a commit of SQLite's log is one such write of a few pages. `--bulk 100000` is the figure of the project's goals.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.gallery.gallery import Gallery
from scripts.benches._vectors import MODEL, people, samples


def fsyncs(folder: Path, count: int = 200) -> float:
    """Appends of 4 KiB that are synced, per second."""
    with (folder / "fsync").open("wb") as file:
        start = time.perf_counter()
        for _ in range(count):
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        return count / (time.perf_counter() - start)


def measure(folder: Path, dimension: int, options: argparse.Namespace) -> dict[str, Any]:
    """One dimension: single commits, then transactions, then whether all of it is there."""
    vectors = people(options.singles + options.bulk, dimension, 3)
    items = list(samples(vectors))
    result: dict[str, Any] = {"dimension": dimension, "fsyncs_per_s": round(fsyncs(folder), 1)}
    with Gallery.open(folder / "gallery", MODEL, dimension) as gallery:
        times = []
        for item in items[: options.singles]:
            start = time.perf_counter()
            gallery.enrol_many([item])
            times.append(time.perf_counter() - start)
        result["single_commits_per_s"] = round(len(times) / sum(times), 1)
        result["single_commit_ms"] = {
            "median": round(float(np.median(times)) * 1e3, 3),
            "p99": round(float(np.percentile(times, 99)) * 1e3, 3),
        }
        rest, times = items[options.singles :], []
        cpu = time.process_time()
        for low in range(0, len(rest), options.size):
            start = time.perf_counter()
            gallery.enrol_many(rest[low : low + options.size])
            times.append(time.perf_counter() - start)
        result |= {
            "bulk_templates": len(rest),
            "per_transaction": options.size,
            "bulk_s": round(sum(times), 2),
            "bulk_cpu_s": round(time.process_time() - cpu, 2),
            "bulk_per_s": round(len(rest) / sum(times)),
            "transaction_ms": {
                "median": round(float(np.median(times)) * 1e3, 1),
                "worst": round(max(times) * 1e3, 1),
            },
            "samples": gallery.sample_count,
        }
        held = gallery.stats()
        result["database_bytes_per_template"] = round((held["database_bytes"] + held["log_bytes"]) / len(items))
    return result


def run(args: list[str]) -> dict[str, Any]:
    """Measures; see the module."""
    parser = argparse.ArgumentParser(prog="scripts/bench enrolment", description=__doc__)
    parser.add_argument("--bulk", type=int, default=10_000, help="templates enrolled in bulk")
    parser.add_argument("--size", type=int, default=1000, help="templates in a transaction")
    parser.add_argument("--singles", type=int, default=300, help="templates enrolled by a commit each")
    parser.add_argument("--dims", default="128,512")
    parser.add_argument("--folder", type=Path, help="where the galleries are made, by default the temporary folder")
    options = parser.parse_args(args)
    result: dict[str, Any] = {
        "fsync": "SQLite WAL, synchronous=FULL: one fsync per commit, and those of a checkpoint every 1000 pages",
        "galleries": [],
    }
    for dimension in map(int, options.dims.split(",")):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            result["galleries"].append(measure(Path(folder), dimension, options))
    return result
