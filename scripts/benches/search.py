"""The gallery's index side by side with raw FAISS and numpy on the same vectors, and opening a saved gallery.

    scripts/bench search [--sizes 10000,100000] [--dims 128,512] [--rounds 15] [--probes 1000] [--open 0] [--full]

Vectors: see `scripts/benches/_vectors.py`. Every configuration is run once per round, in turn, so that what else runs
on the machine hits all alike. `ms` is wall time, `cpu_ms` the processor time of all threads; both are medians. The
ratios compare medians of processor time (which other work disturbs least) with one thread, of wall time with more. Each
number of threads has a process of its own, and all threads have a second one, `tuned`, in which FAISS's bundled
OpenBLAS is told to use the kernels of a recent processor. FAISS is asked as it comes, with BLAS and without.

From --compress vectors on the compressed index is measured too, with all threads: against the exact one at batch 1 and
64; for --probes new photos of people who are enrolled and as many of people who are not; at the operating point, the
score that one in a hundred of these strangers reaches in the exact index. A decision is changed when the subjects that
reach it, or their scores, differ.

--full: 10k, 100k and 1M vectors, 10,000 probes, and opening galleries of 1M templates; it takes an hour or so.
"""

from __future__ import annotations

import argparse
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

from pipeline.gallery.codes import Coding
from pipeline.gallery.faiss_index import FaissIndex
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.index_choice import KIND
from pipeline.gallery.segments import Segment
from pipeline.gallery.shortlist import FEW
from pipeline.gallery.tuning import FIRST, candidates
from pipeline.types import Templates
from scripts.benches._vectors import MODEL, PHOTOS, in_turn, new_photos, people, samples

_NO_BLAS = 1 << 30  # no batch has so many elements
_FULL = ["--sizes", "10000,100000,1000000", "--probes", "10000", "--open", "1000000"]


def coding_for(dimension: int, first: int = FIRST[-1]) -> Coding:
    """The longer codes that `gallery tune` tries."""
    return Coding(max(coding.bits for coding in candidates(dimension)), first)


def configurations(
    flat: Any, vectors: np.ndarray, ours: FaissIndex, probes: np.ndarray, threads: int
) -> dict[str, Callable[[], object]]:
    """Raw FAISS and numpy as they can be set, and ours, for these probes."""
    count = len(vectors)
    default = faiss.cvar.distance_compute_blas_threshold

    def raw(threads: int, blas_from: int) -> Callable[[], object]:
        def call() -> object:
            faiss.omp_set_num_threads(threads)
            faiss.cvar.distance_compute_blas_threshold = blas_from
            try:
                return flat.search(probes, 2)
            finally:
                faiss.cvar.distance_compute_blas_threshold = default

        return call

    def plain() -> object:
        scores = probes @ vectors.T
        return np.argpartition(scores, count - 2, axis=1)[:, count - 2 :]

    found: dict[str, Callable[[], object]] = {"faiss_default": raw(threads, default)}
    if threads > 1:
        found["faiss_one_thread"] = raw(1, default)
    if len(probes) > 1:
        found |= {"faiss_without_blas": raw(threads, _NO_BLAS), "faiss_with_blas": raw(threads, 1)}
    return found | {
        "numpy": plain,
        "ours": lambda: ours.search(probes, 2),
        "ours_by_subject": lambda: ours.search_labels(probes, 2),
    }


def compare(vectors: np.ndarray, probes: np.ndarray, rounds: int, threads: int) -> dict[str, Any]:
    """Batch 1 and 64, raw configurations against ours."""
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    ids = np.arange(len(vectors), dtype=np.int64)
    ours = FaissIndex(vectors.shape[1], Segment.of(vectors, ids, ids // PHOTOS))
    result: dict[str, Any] = {}
    for queries in (1, 64):
        calls = configurations(flat, vectors, ours, probes[:queries], threads)
        figures: dict[str, Any] = in_turn(calls, rounds if queries == 1 else max(3, rounds // 3))
        counted = figures["cpu_ms" if threads == 1 else "ms"]
        best = min((name for name in counted if not name.startswith("ours")), key=counted.__getitem__)
        figures["best_raw"] = best
        figures["ours_over_best_raw"] = round(counted["ours"] / counted[best], 3)
        figures["faiss_default_over_ours"] = round(counted["faiss_default"] / counted["ours"], 3)
        result[f"batch_{queries}"] = figures
    faiss.omp_set_num_threads(threads)
    scores, found = flat.search(probes[:64], 1)
    mine = ours.search(probes[:64], 1)
    result["same_best_as_faiss"] = float(np.mean(found == mine[1]))
    result["largest_score_difference"] = float(np.abs(scores - mine[0]).max())
    result["megabytes_per_million"] = round(4 * vectors.shape[1] + 16.0, 1)
    return result


def compressed(vectors: np.ndarray, enrolled: np.ndarray, strangers: np.ndarray, rounds: int) -> dict[str, Any]:
    """The compressed index against the exact one."""
    ids = np.arange(len(vectors), dtype=np.int64)
    exact = FaissIndex(vectors.shape[1], Segment.of(vectors, ids, ids // PHOTOS))
    start = time.perf_counter()
    rows = Segment.of(vectors, ids, ids // PHOTOS).encoded(coding_for(vectors.shape[1]).bits)
    built = time.perf_counter() - start
    truth = [answers(exact, kind, -1.0) for kind in (enrolled, strangers)]
    threshold = float(np.quantile([scores[0] for scores, _ in truth[1]], 0.99))
    tried = [FaissIndex(vectors.shape[1], rows, coding_for(vectors.shape[1], first)) for first in FIRST]
    calls = {str(n): lambda each=each: answers(each, strangers[:8], threshold) for n, each in enumerate(tried)}
    trial = in_turn(calls, 3)["ms"]
    best = int(min(trial, key=trial.__getitem__))
    index, coding = tried[best], coding_for(vectors.shape[1], FIRST[best])
    given = [answers(index, kind, threshold) for kind in (enrolled, strangers)]
    recalls = [
        np.mean([a[1][0] == b[1][0] for a, b in zip(*pair, strict=True)]) for pair in zip(truth, given, strict=True)
    ]
    changed = [
        sum(reach(a, threshold) != reach(b, threshold) for a, b in zip(*pair, strict=True))
        for pair in zip(truth, given, strict=True)
    ]
    one = {f"exact_{n}": lambda n=n: exact.search_labels(strangers[n : n + 1], 2) for n in range(4)}
    one |= {f"compressed_{n}": lambda n=n: index.search_labels(strangers[n : n + 1], 2, threshold) for n in range(4)}
    many = {
        "exact": lambda: exact.search_labels(strangers[:64], 2),
        "compressed": lambda: index.search_labels(strangers[:64], 2, threshold),
    }
    single, batch = in_turn(one, max(3, rounds // 3))["ms"], in_turn(many, max(3, rounds // 5))["ms"]
    ms = {kind: statistics.median(value for name, value in single.items() if name.startswith(kind)) for kind in many}
    return {
        **coding.as_document(),
        "built_s": round(built, 2),
        "code_megabytes_per_million": round(coding.bits / 8 + 8, 1),
        "threshold": round(threshold, 4),
        "probes_of_each_kind": len(strangers),
        "recall_at_1_enrolled": round(float(recalls[0]), 5),
        "recall_at_1_unenrolled": round(float(recalls[1]), 5),
        "changed_decisions_enrolled": changed[0],
        "changed_decisions_unenrolled": changed[1],
        "batch_1_ms": ms,
        "batch_64_ms": batch,
        "batch_1_exact_over_compressed": round(ms["exact"] / ms["compressed"], 2),
        "batch_64_exact_over_compressed": round(batch["exact"] / batch["compressed"], 2),
    }


def answers(index: FaissIndex, probes: np.ndarray, floor: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """The two best subjects of each probe."""
    step = FEW if index.coding else 64  # larger batches do not go through the codes
    parts = [index.search_labels(probes[low : low + step], 2, floor) for low in range(0, len(probes), step)]
    return [answer for part in parts for answer in part]


def reach(answer: tuple[np.ndarray, np.ndarray], threshold: float) -> list[tuple[float, int]]:
    """The subjects that reach the threshold, with their scores."""
    return [pair for pair in zip(answer[0].tolist(), answer[1].tolist(), strict=True) if pair[0] >= threshold]


def opening(count: int, dimension: int, folder: Path) -> dict[str, Any]:
    """Opening a gallery after a clean save, to the first answer; with the exact and with the compressed index."""
    vectors = people(count, dimension, 3)
    with Gallery.open(folder, MODEL, dimension) as gallery:
        items = samples(vectors)
        for low in range(0, count, 1000):
            gallery.enrol_many([next(items) for _ in range(min(1000, count - low))])
        start = time.perf_counter()
        gallery.load()
        result: dict[str, Any] = {
            "templates": count,
            "dimension": dimension,
            "from_database_s": round(time.perf_counter() - start, 2),
        }
        gallery.save_index()
    result["exact"] = _opened(folder, dimension, vectors[:1])
    with Gallery.open(folder, MODEL, dimension) as gallery:
        gallery.put_document(KIND, coding_for(dimension).as_document())
        gallery.save_index()
    result["compressed"] = _opened(folder, dimension, vectors[:1])
    result["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return result


def _opened(folder: Path, dimension: int, probe: np.ndarray) -> dict[str, float]:
    times, first = [], []
    for _ in range(3):
        start = time.perf_counter()
        with Gallery.open(folder, MODEL, dimension) as gallery:
            gallery.load()
            times.append(time.perf_counter() - start)
            gallery.search(Templates(probe, np.ones(1, np.float32), MODEL), threshold=0.5)
            first.append(time.perf_counter() - start)
    return {
        "open_s": round(statistics.median(times), 3),
        "open_and_first_answer_s": round(statistics.median(first), 3),
    }


def run(args: list[str]) -> dict[str, Any]:
    """Measures; see the module."""
    parser = argparse.ArgumentParser(prog="scripts/bench search", description=__doc__)
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--dims", default="128,512")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--probes", type=int, default=1000, help="of each kind, for the compressed index")
    parser.add_argument("--compress", type=int, default=100_000, help="measure the compressed index from this size on")
    parser.add_argument("--open", type=int, default=0, help="measure opening galleries of this many templates")
    parser.add_argument("--threads", default=f"1,{os.cpu_count()}", help="numbers of threads to measure with")
    parser.add_argument("--full", action="store_true", help="everything, as in the module")
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--opening", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--no-codes", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args([*_FULL, *args] if "--full" in args else args)
    if options.opening:
        with tempfile.TemporaryDirectory() as folder:
            return {"result": opening(options.open, options.opening, Path(folder) / "gallery")}
    if options.inside:
        return {"result": list(every_size(options, options.inside))}
    result: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 2)}
    numbers = list(dict.fromkeys(options.threads.split(",")))
    for threads in numbers:
        variables = {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        last = threads == numbers[-1]
        inner = [*args, "--inside", threads]
        result[f"threads_{threads}"] = _process([*inner, *([] if last else ["--no-codes"])], variables)
        if last:
            result["tuned"] = _process([*inner, "--no-codes"], {**variables, "OPENBLAS_CORETYPE": "Haswell"})
    for dimension in map(int, options.dims.split(",") if options.open else ()):
        result[f"opening_{dimension}"] = _process([*args, "--opening", str(dimension)], {})
    result["load_after"] = round(os.getloadavg()[0], 2)
    return result


def _process(arguments: list[str], variables: dict[str, str]) -> Any:
    command = [sys.executable, "-m", "scripts.benches", "search", "--json", *arguments]
    done = subprocess.run(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)["result"]


def every_size(options: argparse.Namespace, threads: int) -> Iterator[dict[str, Any]]:
    for dimension in map(int, options.dims.split(",")):
        for count in map(int, options.sizes.split(",")):
            for anisotropic in (False, True):
                kind = "anisotropic" if anisotropic else "isotropic"
                print(f"{count} x {dimension}, {kind}, {threads} threads", file=sys.stderr, flush=True)
                vectors = people(count, dimension, 1, anisotropic=anisotropic)
                strangers = people(max(64, options.probes), dimension, 2, anisotropic=anisotropic)
                figures = {"vectors": count, "dimension": dimension, "kind": kind}
                figures |= compare(vectors, strangers, options.rounds, threads)
                if count >= options.compress and not options.no_codes:
                    enrolled = new_photos(options.probes, dimension, 1, anisotropic=anisotropic)
                    figures["compressed"] = compressed(vectors, enrolled, strangers[: options.probes], options.rounds)
                yield figures
