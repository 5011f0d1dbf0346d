"""Cold start: whole processes, taking turns; medians.

- bare: import OpenCV and ONNX Runtime and load the two models, nothing else.
- verify: `knownface verify A B`, the same two models, from nothing to the answer.
- help: `knownface --help`.
"""

from __future__ import annotations

import argparse
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
    for round_number in range(options.rounds + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode not in (0, 1):
                raise SystemExit(f"{name} failed: {done.stderr.decode()}")
            if round_number:
                seconds[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "rounds": options.rounds,
        "median_seconds": median,
        "verify_to_bare": median["verify"] / median["bare"],
        "help_under_half_a_second": median["help"] < 0.5,
    }


def _samples(settings: Settings) -> list[Path]:
    from pipeline.weights.samples import pull_samples

    samples = pull_samples(settings.home / "samples")
    obama = [sample.path for sample in samples if sample.person == "Barack Obama"]
    return obama[:2]
