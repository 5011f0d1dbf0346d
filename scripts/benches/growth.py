"""How search and enrolment slow down as a gallery grows, as figures and as the picture in docs/search.md.

    scripts/bench growth [--sizes 1000,...,1000000] [--dimension 128] [--rounds 31] [--out docs/images] [--json]

One gallery grows on the disk. At each size: durable enrolments of one template, one commit each; searches for one probe
through the gallery, each following what was enrolled before it, with the exact index and, where it applies, with the
compressed one. Medians and 95th percentiles, in milliseconds. --out "" writes nothing. Takes about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.gallery.faiss_index import SEALED
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.index_choice import KIND
from pipeline.types import Templates
from scripts.benches._vectors import MODEL, people, samples
from scripts.benches.search import coding_for

_SIZES = "1000,3000,10000,30000,100000,300000,1000000"
_THRESHOLD = 0.55  # few of the made-up strangers reach it at 128 dimensions


def milliseconds(call: Callable[[int], object], rounds: int) -> dict[str, float]:
    """Median and 95th percentile of call(0), call(1), ..."""
    times = []
    for number in range(rounds):
        start = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - start)
    p50, p95 = np.quantile(times, [0.5, 0.95]) * 1e3
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3)}


def grow(folder: Path, sizes: list[int], dimension: int, rounds: int) -> list[dict[str, Any]]:
    """Measures at each size of a gallery that grows."""
    vectors = people(sizes[-1] + len(sizes) * rounds, dimension, 3)
    strangers = Templates(people(64, dimension, 4), np.ones(64, np.float32), MODEL)
    items = samples(vectors)
    found, held = [], 0
    with Gallery.open(folder, MODEL, dimension) as gallery:

        def search(number: int) -> None:
            gallery.search(strangers[[number % 64]], threshold=_THRESHOLD)

        for size in sizes:
            print(f"growing to {size}", file=sys.stderr, flush=True)
            while held < size:
                part = min(1000, size - held)
                gallery.enrol_many([next(items) for _ in range(part)])
                held += part
            row: dict[str, Any] = {"templates": size}
            row["enrol"] = milliseconds(lambda _: gallery.enrol_many([next(items)]), rounds)
            held += rounds
            search(0)
            row["search_exact"] = milliseconds(search, rounds)
            if size >= SEALED:
                gallery.put_document(KIND, coding_for(dimension).as_document())
                search(0)
                row["search_compressed"] = milliseconds(search, rounds)
                gallery.drop_document(KIND)
            found.append(row)
    return found


def draw(found: list[dict[str, Any]], dimension: int, file: Path) -> None:
    """The picture: medians as lines, up to the 95th percentile as bands."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "growth"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    names = {
        "search_exact": ("search, exact", "#00796b"),
        "search_compressed": ("search, compressed", "#ef6c00"),
        "enrol": ("enrol one template, durable", "#5c6bc0"),
    }
    for key, (label, colour) in names.items():
        rows = [row for row in found if key in row]
        sizes = [row["templates"] for row in rows]
        low, high = ([row[key][which] for row in rows] for which in ("p50_ms", "p95_ms"))
        axes.plot(sizes, low, marker="o", color=colour, label=label)
        axes.fill_between(sizes, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel=f"templates in the gallery ({dimension}-d)", ylabel="milliseconds")
    axes.grid(which="major", alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def run(args: list[str]) -> dict[str, Any]:
    """Measures; see the module."""
    parser = argparse.ArgumentParser(prog="scripts/bench growth", description=__doc__)
    parser.add_argument("--sizes", default=_SIZES)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--out", default="docs/images", help='folder for growth.json and growth.svg; "": none')
    options = parser.parse_args(args)
    load = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory() as folder:
        sizes = sorted(map(int, options.sizes.split(",")))
        found = grow(Path(folder) / "gallery", sizes, options.dimension, options.rounds)
    result = {"dimension": options.dimension, "cores": os.cpu_count(), "load_before": load, "growth": found}
    if options.out:
        out = Path(options.out)
        (out / "growth.json").write_text(json.dumps(result, indent=2) + "\n")
        draw(found, options.dimension, out / "growth.svg")
    return result
