"""A gallery on PostgreSQL: two nodes, a failover, and the engines that can search it.

    scripts/bench cluster [--count 20000] [--dimension 512] [--enrolments 100] [--failovers 3] [--no-milvus] [--json]

Needs what the tests need (`scripts/setup test`): the servers are started here and are gone afterwards. Bytes are
measured at `--count` subjects of one sample each and given per million; times are medians of wall time.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import signal
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import GalleryError
from pipeline.gallery import Gallery, IndexPlace, NewSample
from pipeline.types import Templates
from tests.servers import milvus, postgres

MODEL = "bench.cluster@00000000"
MILLION = 1_000_000


def sample(key: int, vector: np.ndarray) -> NewSample:
    return NewSample(
        source=f"photos/{key:08}.jpg",
        photo_sha256=hashlib.sha256(str(key).encode()).hexdigest(),
        box=(10.0, 20.0, 110.0, 150.0),
        landmarks=np.zeros((5, 2), np.float32),
        confidence=0.9,
        image_hw=(480, 640),
        vector=vector,
        norm=10.0,
    )


def unit(seed: int, count: int, dimension: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def probe(vector: np.ndarray) -> Templates:
    return Templates(vector[None], np.ones(1, np.float32), MODEL)


def timed(call: Callable[[int], object], rounds: int) -> dict[str, float]:
    spent = []
    for number in range(rounds):
        start = time.perf_counter()
        call(number)
        spent.append(1e3 * (time.perf_counter() - start))
    return {"p50_ms": statistics.median(spent), "p95_ms": sorted(spent)[int(0.95 * rounds)], "max_ms": max(spent)}


def two_nodes(url: str, dimension: int, count: int) -> dict[str, Any]:
    """How long after its enrolment on A is acknowledged somebody is found on B, and how long the enrolment took."""
    rows = unit(1, count, dimension)
    with Gallery.open(url, MODEL, dimension) as a, Gallery.open(url, MODEL, dimension) as b:
        b.search(probe(rows[0]))
        enrol, found = [], []
        for number, row in enumerate(rows):
            start = time.perf_counter()
            a.enrol(f"node {number}", [sample(-1 - number, row)])
            acknowledged = time.perf_counter()
            while b.search(probe(row))[0].subjects[:1] != (f"node {number}",):
                pass
            enrol.append(1e3 * (acknowledged - start))
            found.append(1e3 * (time.perf_counter() - acknowledged))
    return {
        "enrolments": count,
        "enrol_p50_ms": statistics.median(enrol),
        "found_on_b_after_p50_ms": statistics.median(found),
        "found_on_b_after_max_ms": max(found),
    }


def failover(dimension: int, number: int) -> dict[str, Any]:
    """SIGKILL of the primary under a writer, promotion of the synchronous standby, the same Gallery carries on."""
    acknowledged: dict[str, float] = {}
    refused: list[str] = []
    over = threading.Event()
    rows = unit(number, 4000, dimension)

    def write(gallery: Gallery) -> None:
        for key, row in enumerate(rows):
            if over.is_set():
                return
            try:
                gallery.enrol(f"person {key}", [sample(key, row)])
                acknowledged[f"person {key}"] = time.monotonic()
            except GalleryError as error:
                refused.append(error.code)
                time.sleep(0.02)

    with (
        postgres.two_nodes() as nodes,
        Gallery.open(postgres.cluster_url(nodes, "postgres"), MODEL, dimension) as gallery,
    ):
        writer = threading.Thread(target=write, args=(gallery,))
        writer.start()
        while len(acknowledged) < 50:
            time.sleep(0.01)
        nodes[0].stop(signal.SIGKILL)
        killed, before = time.monotonic(), len(acknowledged)
        nodes[1].promote()
        promoted = time.monotonic()
        while len(acknowledged) < before + 50:
            time.sleep(0.01)
        over.set()
        writer.join()
        present = {info.name for info in gallery.subjects()}
        lost = len(set(acknowledged) - present)
        again = min(at for at in acknowledged.values() if at > killed)
        problems = len(gallery.check())
    return {
        "acknowledged": len(acknowledged),
        "acknowledged_before_the_kill": before,
        "lost": lost,
        "refused": sorted(set(refused)),
        "promotion_s": promoted - killed,
        "writes_again_after_s": again - killed,
        "problems": problems,
    }


def engines(node: postgres.Node, options: argparse.Namespace) -> dict[str, Any]:
    """Bytes per million and time of one search, for each way to search."""
    count, dimension = options.count, options.dimension
    url, rows = node.url("postgres"), unit(2, options.count, options.dimension)
    with Gallery.open(url, MODEL, dimension) as gallery:
        start = time.perf_counter()
        for low in range(0, count, 1000):
            part = [(f"subject {key}", sample(key, rows[key])) for key in range(low, min(low + 1000, count))]
            gallery.enrol_many(part)
        result: dict[str, Any] = {"enrolled_per_s": count / (time.perf_counter() - start)}
        node.execute("VACUUM ANALYZE")
        before = node.execute("SELECT pg_database_size('postgres')")[0][0]
        truth = node.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname IN "
            "('subjects', 'samples', 'templates', 'removed')"
        )[0][0]
        result["truth_bytes_per_million"] = int(truth) * MILLION // count
        result["node_vector_bytes_per_million"] = 4 * dimension * MILLION
        result["local"] = searched(gallery, rows)
    for method in ("exact", "hnsw"):
        with Gallery.open(url, MODEL, dimension, index=IndexPlace("pgvector", "", method)) as gallery:
            start = time.perf_counter()
            gallery.load()
            made = time.perf_counter() - start
            after = node.execute("SELECT pg_database_size('postgres')")[0][0]
            figures = {"made_in_s": made, "bytes_per_million": (after - before) * MILLION // count}
            result[f"pgvector_{method}"] = figures | searched(gallery, rows)
            gallery._index._index.clear()
            node.execute("VACUUM")
    if options.milvus:
        with milvus.server() as (address, folder):
            result["milvus"] = in_milvus(url, address, folder, rows)
    return result


def in_milvus(url: str, address: str, folder: Path, rows: np.ndarray) -> dict[str, Any]:
    before = size(folder)
    with Gallery.open(url, MODEL, rows.shape[1], index=IndexPlace("milvus", address)) as gallery:
        start = time.perf_counter()
        gallery.load()
        figures: dict[str, Any] = {"made_in_s": time.perf_counter() - start, "just_changed": searched(gallery, rows)}
        gallery.compact()
        time.sleep(16)  # past the time for which a search waits for Milvus's clock
        figures["bytes_per_million"] = (size(folder) - before) * MILLION // len(rows)
        return figures | {"settled": searched(gallery, rows)}


def size(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_blocks * 512 if file.is_file() else 0
    return total


def searched(gallery: Gallery, rows: np.ndarray) -> dict[str, float]:
    gallery.search(probe(rows[0]))
    return timed(lambda number: gallery.search(probe(rows[37 * number % len(rows)])), 30)


def run(args: list[str]) -> dict[str, Any]:
    """Measures; see the module."""
    parser = argparse.ArgumentParser(prog="scripts/bench cluster", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--enrolments", type=int, default=100)
    parser.add_argument("--failovers", type=int, default=3)
    parser.add_argument("--no-milvus", dest="milvus", action="store_false")
    options = parser.parse_args(args)
    result: dict[str, Any] = {"count": options.count, "dimension": options.dimension}
    with postgres.one_node() as node:
        node.execute("CREATE DATABASE nodes")
        result["two_nodes"] = two_nodes(node.url("nodes"), options.dimension, options.enrolments)
        result["engines"] = engines(node, options)
    result["failovers"] = [failover(options.dimension, number) for number in range(options.failovers)]
    return result
