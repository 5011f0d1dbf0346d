"""The gallery's index side by side with raw FAISS and numpy on the same vectors, and opening a saved gallery.

    scripts/bench search [--sizes 10000,100000] [--dims 128,512] [--rounds 15] [--probes 1000] [--open 0] [--full]
    scripts/bench search --only-compressed --sizes 1000000 --dims 512 --bits 512 --probes 10000 --enrolled 1000

Vectors: see `scripts/benches/_vectors.py`. Every configuration is run once per round, in turn, so that what else runs
on the machine hits all alike. `ms` is wall time, `cpu_ms` the processor time of all threads; both are medians. The
ratios compare medians of processor time (which other work disturbs least) with one thread, of wall time with more. Each
number of threads has a process of its own, and all threads have a second one, `tuned`, in which FAISS's bundled
OpenBLAS is told to use the kernels of a recent processor. FAISS is asked as it comes, with BLAS and without.

From --compress vectors on the compressed index is measured too, with all threads: against the exact one at batch 1 and
64; for --probes new photos of people who are enrolled and as many of people who are not; at the operating point, the
score that one in a hundred of these strangers reaches in the exact index. A decision is changed when the subjects that
reach it, or their scores, differ. Each probe goes through the codes, in calls of at most so many at once as do.

--full: 10k, 100k and 1M vectors, 10,000 probes, and opening galleries of 1M templates; it takes an hour or so.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
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
from pipeline.gallery.tuning import candidates
from pipeline.types import Templates
from scripts.benches._vectors import MODEL, PHOTOS, in_turn, new_photos, people, samples

_NO_BLAS = 1 << 30  # no batch has so many elements
_FULL = ["--sizes", "10000,100000,1000000", "--probes", "10000", "--open", "1000000"]


def coding_for(dimension: int) -> Coding:
    """The largest index that `gallery tune` tries."""
    return max(candidates(dimension), key=lambda coding: (coding.bits, coding.first))


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


def compressed(
    vectors: np.ndarray, enrolled: np.ndarray, strangers: np.ndarray, rounds: int, bits: set[int]
) -> dict[str, Any]:
    """The quickest of the compressed indices that `gallery tune` tries, with codes of these lengths, against exact."""
    dimension, ids = vectors.shape[1], np.arange(len(vectors), dtype=np.int64)
    exact = FaissIndex(dimension, Segment.of(vectors, ids, ids // PHOTOS))
    truth = [answers(exact, kind, -1.0) for kind in (enrolled, strangers)]
    threshold = float(np.quantile([scores[0] for scores, _ in truth[1]], 0.99))
    tried: dict[Coding, FaissIndex] = {}
    built: dict[int, float] = {}
    for coding in candidates(dimension):
        if bits and coding.bits not in bits:
            continue
        if coding.bits not in built:
            start = time.perf_counter()
            rows = Segment.of(vectors, ids, ids // PHOTOS).encoded(coding.bits)
            built[coding.bits] = round(time.perf_counter() - start, 2)
        tried[coding] = FaissIndex(dimension, rows, coding)
    calls = {
        f"{coding.bits}/{coding.first}": one_by_one(index, strangers, threshold) for coding, index in tried.items()
    }
    trial = in_turn(calls, 7)["ms"]
    coding, index = min(tried.items(), key=lambda item: trial[f"{item[0].bits}/{item[0].first}"])
    start = time.perf_counter()
    given = [answers(index, kind, threshold) for kind in (enrolled, strangers)]
    asked = (time.perf_counter() - start) / (len(enrolled) + len(strangers))
    pairs = [list(zip(*pair, strict=True)) for pair in zip(truth, given, strict=True)]
    recalls = [round(float(np.mean([a[1][0] == b[1][0] for a, b in kind])), 5) for kind in pairs]
    changed = [sum(reach(a, threshold) != reach(b, threshold) for a, b in kind) for kind in pairs]
    figures = {
        **coding.as_document(),
        "tried_ms": trial,
        "built_s": built[coding.bits],
        "code_megabytes_per_million": round(coding.bits / 8 + 8, 1),
        "threshold": round(threshold, 4),
        "enrolled": len(enrolled),
        "unenrolled": len(strangers),
        "recall_at_1_enrolled": recalls[0],
        "recall_at_1_unenrolled": recalls[1],
        "changed_decisions_enrolled": changed[0],
        "changed_decisions_unenrolled": changed[1],
        f"mean_ms_in_batches_of_{FEW}": round(1e3 * asked, 3),
    }
    both = {"exact": (exact, -1.0), "compressed": (index, threshold)}
    for name, probes in (("unenrolled", strangers), ("enrolled", enrolled)):
        ms = in_turn({kind: one_by_one(which, probes, floor) for kind, (which, floor) in both.items()}, rounds)["ms"]
        figures[f"batch_1_{name}_ms"] = ms
        figures[f"batch_1_{name}_exact_over_compressed"] = round(ms["exact"] / ms["compressed"], 2)
    many = {kind: partial(which.search_labels, strangers[:64], 2, floor) for kind, (which, floor) in both.items()}
    ms = in_turn(many, max(3, rounds // 5))["ms"]
    return {**figures, "batch_64_ms": ms, "batch_64_exact_over_compressed": round(ms["exact"] / ms["compressed"], 2)}


def one_by_one(index: FaissIndex, probes: np.ndarray, floor: float) -> Callable[[], object]:
    """Asks for another probe each time."""
    following = itertools.cycle(probes[:256])
    return lambda: index.search_labels(next(following)[None], 2, floor)


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
    parser.add_argument("--enrolled", type=int, help="probes of people who are enrolled, where not as many as --probes")
    parser.add_argument("--compress", type=int, default=100_000, help="measure the compressed index from this size on")
    parser.add_argument(
        "--bits", default="", help="lengths of the codes to try; all that `gallery tune` would if empty"
    )
    parser.add_argument("--kinds", default="isotropic,anisotropic")
    parser.add_argument("--only-compressed", action="store_true", help="leave raw FAISS and numpy out")
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
    numbers = [str(os.cpu_count())] if options.only_compressed else list(dict.fromkeys(options.threads.split(",")))
    for threads in numbers:
        variables = {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        last = threads == numbers[-1]
        inner = [*args, "--inside", threads]
        result[f"threads_{threads}"] = _process([*inner, *([] if last else ["--no-codes"])], variables)
        if last and not options.only_compressed:
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
    bits = set(map(int, filter(None, options.bits.split(","))))
    for dimension in map(int, options.dims.split(",")):
        for count in map(int, options.sizes.split(",")):
            for kind in options.kinds.split(","):
                anisotropic = {"isotropic": False, "anisotropic": True}[kind]
                print(f"{count} x {dimension}, {kind}, {threads} threads", file=sys.stderr, flush=True)
                vectors = people(count, dimension, 1, anisotropic=anisotropic)
                strangers = people(max(64, options.probes), dimension, 2, anisotropic=anisotropic)
                figures = {"vectors": count, "dimension": dimension, "kind": kind}
                if not options.only_compressed:
                    figures |= compare(vectors, strangers, options.rounds, threads)
                if count >= options.compress and not options.no_codes:
                    enrolled = new_photos(options.enrolled or options.probes, dimension, 1, anisotropic=anisotropic)
                    figures["compressed"] = compressed(
                        vectors, enrolled, strangers[: options.probes], options.rounds, bits
                    )
                yield figures
