"""Cold start: whole processes, taking turns; medians of wall time and processor time (which other work disturbs less).

- bare: import OpenCV and ONNX Runtime and load the two models, nothing else.
- verify: `knownface verify A B`, the same two models, from nothing to the answer.
- help: `knownface --help`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from pipeline.config import Settings
from pipeline.weights import ModelStore

BARE = """
import sys, cv2, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
for file in sys.argv[1:]:
    onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
"""


def run(arguments: list[str]) -> dict:
    parser = argparse.ArgumentParser(prog="bench cold")
    parser.add_argument("--photo", type=Path, action="append", help="give two")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args(arguments)
    settings = Settings.load()
    store = ModelStore(settings.models_dir)
    models = [str(store.installed(name).file) for name in (settings.detector, settings.embedder)]
    photos = [str(photo) for photo in options.photo or _samples(settings)]
    program = [sys.executable, "-m", "app.cli"]
    commands = {
        "bare": [sys.executable, "-c", BARE, *models],
        "verify": [*program, "verify", *photos],
        "help": [*program, "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    for round_number in range(options.rounds + 1):
        for name, command in commands.items():
            start, used = time.perf_counter(), _used()
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode not in (0, 1):
                raise SystemExit(f"{name} failed: {done.stderr.decode()}")
            if round_number:
                seconds[name].append(time.perf_counter() - start)
                cpu[name].append(_used() - used)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    median_cpu = {name: statistics.median(values) for name, values in cpu.items()}
    return {
        "rounds": options.rounds,
        "median_seconds": median,
        "median_cpu_seconds": median_cpu,
        "verify_to_bare": median["verify"] / median["bare"],
        "verify_to_bare_cpu": median_cpu["verify"] / median_cpu["bare"],
        "help_under_half_a_second": median["help"] < 0.5,
    }


def _used() -> float:
    """Seconds of processor time of all processes that were started here and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _samples(settings: Settings) -> list[Path]:
    from pipeline.weights.samples import pull_samples

    samples = pull_samples(settings.home / "samples")
    obama = [sample.path for sample in samples if sample.person == "Barack Obama"]
    return obama[:2]
