"""The gallery's search and enrolment, side by side with raw FAISS and numpy on the same vectors.

    scripts/bench search [--sizes 10000,100000] [--dims 128,512] [--enrol 20000] [--open 0] [--rounds 15] [--json]

Identities are random centres, samples lie at a cosine of 0.6 to 0.8 to them. `isotropic` vectors fill all directions
alike; `anisotropic` ones have a spectrum that falls like the inverse square root, which is nearer to real templates.
Every configuration is run once per round, in turn, so that what else runs on the machine hits all alike. `ms` is wall
time, `cpu_ms` the processor time of all threads; both are medians. The ratios compare medians of processor time (which
other work disturbs least) with one thread, of wall time with more. Each number of threads has a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from pipeline.gallery.faiss_index import FaissIndex
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.records import NewSample
from pipeline.gallery.segments import Segment
from pipeline.types import Templates

MODEL = "bench.vectors@00000000"


def people(count: int, dimension: int, seed: int, *, anisotropic: bool = False) -> np.ndarray:
    """Count samples, three to an identity, (count, dimension) float32 unit rows."""
    rng = np.random.default_rng(seed)
    scale = np.ones(dimension, np.float32)
    if anisotropic:
        scale /= np.sqrt(np.arange(1, dimension + 1, dtype=np.float32))

    def directions(number: int) -> np.ndarray:
        rows = rng.standard_normal((number, dimension), dtype=np.float32) * scale
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    centres = np.repeat(directions(-(-count // 3)), 3, axis=0)[:count]
    noise = directions(count)
    noise -= np.einsum("nd,nd->n", noise, centres)[:, None] * centres
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    cosine = rng.uniform(0.6, 0.8, (count, 1)).astype(np.float32)
    rows = cosine * centres + np.sqrt(1 - cosine**2) * noise
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def in_turn(configurations: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Median wall and processor milliseconds of each configuration, after one round that does not count."""
    wall: dict[str, list[float]] = {name: [] for name in configurations}
    cpu: dict[str, list[float]] = {name: [] for name in configurations}
    for number in range(rounds + 1):
        for name, call in configurations.items():
            time.sleep(0.01)  # until the threads of the one before have stopped spinning
            start, start_cpu = time.perf_counter(), time.process_time()
            call()
            if number:
                cpu[name].append(time.process_time() - start_cpu)
                wall[name].append(time.perf_counter() - start)

    def medians(seconds: dict[str, list[float]]) -> dict[str, float]:
        return {name: round(statistics.median(values) * 1e3, 3) for name, values in seconds.items()}

    return {"ms": medians(wall), "cpu_ms": medians(cpu)}


def compare(count: int, dimension: int, rounds: int, threads: int, *, anisotropic: bool) -> dict[str, Any]:
    """One size: batch 1 and 64, raw configurations against ours."""
    vectors = people(count, dimension, 1, anisotropic=anisotropic)
    probes = people(64, dimension, 2, anisotropic=anisotropic)
    flat = faiss.IndexFlatIP(dimension)
    flat.add(vectors)
    ids = np.arange(count, dtype=np.int64)
    ours = FaissIndex(dimension, Segment.of(vectors, ids, ids // 3))
    all_threads = f"faiss_{threads}_threads"

    def raw(threads: int, queries: int) -> Callable[[], object]:
        def call() -> object:
            faiss.omp_set_num_threads(threads)
            return flat.search(probes[:queries], 2)

        return call

    def plain(queries: int) -> Callable[[], object]:
        def call() -> object:
            scores = probes[:queries] @ vectors.T
            return np.argpartition(scores, count - 2, axis=1)[:, count - 2 :]

        return call

    result: dict[str, Any] = {"vectors": count, "dimension": dimension, "anisotropic": anisotropic}
    for queries in (1, 64):
        configurations = {"faiss_one_thread": raw(1, queries), all_threads: raw(threads, queries)}
        if threads == 1:
            del configurations["faiss_one_thread"]
        configurations |= {
            "numpy": plain(queries),
            "ours": lambda queries=queries: ours.search(probes[:queries], 2),
            "ours_by_subject": lambda queries=queries: ours.search_labels(probes[:queries], 2),
        }
        figures: dict[str, Any] = in_turn(configurations, rounds if queries == 1 else max(3, rounds // 3))
        counted = figures["cpu_ms" if threads == 1 else "ms"]
        best = min((name for name in counted if not name.startswith("ours")), key=counted.__getitem__)
        figures["best_raw"] = best
        figures["ours_over_best_raw"] = round(counted["ours"] / counted[best], 3)
        figures["faiss_default_over_ours"] = round(counted[all_threads] / counted["ours"], 3)
        result[f"batch_{queries}"] = figures
    faiss.omp_set_num_threads(threads)
    scores, found = flat.search(probes, 1)
    mine = ours.search(probes, 1)
    result["same_best_as_faiss"] = float(np.mean(found == mine[1]))
    result["largest_score_difference"] = float(np.abs(scores - mine[0]).max())
    result["megabytes_of_vectors"] = round(vectors.nbytes / 1e6, 1)
    return result


def samples(vectors: np.ndarray, start: int = 0) -> Iterator[tuple[str, NewSample]]:
    """Enrolments of these vectors, three to a subject."""
    landmarks = np.zeros((5, 2), np.float32)
    for number, vector in enumerate(vectors, start):
        sha = hashlib.sha256(str(number).encode()).hexdigest()
        box = (0.0, 0.0, 100.0, 120.0)
        name = f"subject {number // 3:07d}"
        yield name, NewSample(f"{number}.jpg", sha, box, landmarks, 0.9, (480, 640), vector, 10.0)


def enrolment(count: int, dimension: int, folder: Path, singles: int = 500) -> dict[str, Any]:
    """Durable single commits, bulk enrolment, and search through the whole gallery."""
    vectors = people(count + singles, dimension, 3)
    items = list(samples(vectors))
    result: dict[str, Any] = {"dimension": dimension, "fsync": "SQLite WAL, synchronous=FULL: one fsync per commit"}
    with Gallery.open(folder, MODEL, dimension) as gallery:
        times = []
        for item in items[:singles]:
            start = time.perf_counter()
            gallery.enrol_many([item])
            times.append(time.perf_counter() - start)
        result["single_commits_per_s"] = round(singles / sum(times), 1)
        result["single_commit_ms_median"] = round(statistics.median(times) * 1e3, 3)
        start = time.perf_counter()
        for low in range(singles, len(items), 1000):
            gallery.enrol_many(items[low : low + 1000])
        seconds = time.perf_counter() - start
        result |= {"bulk_templates": count, "bulk_s": round(seconds, 2), "bulk_per_s": round(count / seconds)}
        probes = [Templates(vectors[n : n + 64], np.ones(64, np.float32), MODEL) for n in range(0, 640, 64)]
        start = time.perf_counter()
        gallery.search(probes[0])
        result["first_search_from_database_s"] = round(time.perf_counter() - start, 3)
        figures = in_turn(
            {"batch_1": lambda: gallery.search(probes[1][:1]), "batch_64": lambda: gallery.search(probes[1])}, 9
        )
        result["search"] = figures
    return result | opening(folder, dimension, vectors[:1])


def opening(folder: Path, dimension: int, probe: np.ndarray) -> dict[str, Any]:
    """Opening after a clean save, to the first answer."""
    times, first = [], []
    for _ in range(3):
        start = time.perf_counter()
        with Gallery.open(folder, MODEL, dimension) as gallery:
            gallery.load()
            times.append(time.perf_counter() - start)
            gallery.search(Templates(probe, np.ones(1, np.float32), MODEL))
            first.append(time.perf_counter() - start)
            held = len(gallery), gallery.sample_count
    return {
        "subjects": held[0],
        "templates": held[1],
        "open_s": round(statistics.median(times), 3),
        "open_and_first_answer_s": round(statistics.median(first), 3),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def run(args: list[str]) -> dict[str, Any]:
    """Measures; see the module."""
    parser = argparse.ArgumentParser(prog="scripts/bench search", description=__doc__)
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--dims", default="128,512")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--enrol", type=int, default=20_000, help="templates to enrol in bulk; 0: leave out")
    parser.add_argument("--open", type=int, default=0, help="measure opening a gallery of this many 128-d templates")
    parser.add_argument("--threads", default=f"1,{os.cpu_count()}", help="numbers of threads to measure with")
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(args)
    if options.inside:
        return {"search": list(every_size(options, options.inside))}
    result: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 2)}
    for threads in dict.fromkeys(options.threads.split(",")):
        command = [sys.executable, "-m", "scripts.benches", "search", "--json", *args, "--inside", threads]
        variables = {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=True)
        result[f"threads_{threads}"] = json.loads(done.stdout)["search"]
    with tempfile.TemporaryDirectory() as folder:
        if options.enrol:
            result["enrolment"] = enrolment(options.enrol, 512, Path(folder) / "enrol")
        if options.open:
            result["opening"] = enrolment(options.open, 128, Path(folder) / "open", singles=1)
    return result


def every_size(options: argparse.Namespace, threads: int) -> Iterator[dict[str, Any]]:
    for dimension in map(int, options.dims.split(",")):
        for count in map(int, options.sizes.split(",")):
            for anisotropic in (False, True):
                yield compare(count, dimension, options.rounds, threads, anisotropic=anisotropic)
