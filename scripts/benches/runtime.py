"""The embedder in each runtime: parallel streams of one thread each against one stream of all threads.

Every variant embeds the same faces, in turns; medians of faces per second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pipeline.config import Settings
from pipeline.runtime import OnnxRuntimeSession, OpenVinoSession
from pipeline.weights import ModelStore


def run(arguments: list[str]) -> dict:
    parser = argparse.ArgumentParser(prog="bench runtime")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--passes", type=int, default=8, help="per round, shared among the streams")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    settings = Settings.load()
    file = ModelStore(settings.models_dir).installed(settings.embedder).file
    cores = os.cpu_count() or 1
    variants = {
        "onnxruntime, streams of one thread": (OnnxRuntimeSession(file, 1), cores),
        "onnxruntime, one stream": (OnnxRuntimeSession(file, cores), 1),
        "openvino, streams of one thread": (OpenVinoSession(file, 1, streams=cores), cores),
        "openvino, one stream": (OpenVinoSession(file, cores, streams=1), 1),
    }
    faces = np.random.default_rng(1).uniform(0, 255, (options.batch, 3, 112, 112)).astype(np.float32)
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for round_number in range(options.rounds + 1):
        for name, (session, streams) in variants.items():
            with ThreadPoolExecutor(streams) as pool:
                start = time.perf_counter()
                list(pool.map(lambda _, s=session: s.run({s.inputs[0]: faces}), range(options.passes)))
                if round_number:
                    seconds[name].append(time.perf_counter() - start)
    rate = {name: options.passes * options.batch / statistics.median(values) for name, values in seconds.items()}
    ratio = {
        kind: rate[f"{kind}, streams of one thread"] / rate[f"{kind}, one stream"]
        for kind in ("onnxruntime", "openvino")
    }
    return {"rounds": options.rounds, "batch": options.batch, "faces_per_second": rate, "streams_to_one_stream": ratio}
