"""`scripts/bench vault`: what encryption costs: opening a gallery, searching it, listing it, enrolling, encrypting it.

Two galleries with the same people, one of them encrypted, are opened by turns, so that what else the machine does falls
on both. Each is opened from the database alone, and with an index file.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.gallery.gallery import Gallery
from pipeline.gallery.vault.master import KeyPlaces, MasterKey
from pipeline.types import Templates
from scripts.benches._vectors import MODEL, people, samples

_KINDS = ("plain", "encrypted")


def run(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="scripts/bench vault")
    parser.add_argument("--count", type=int, default=100_000, help="people, one template each")
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3, help="openings of each kind, interleaved")
    parser.add_argument("--probes", type=int, default=200)
    options = parser.parse_args(arguments)
    vectors = people(options.count, options.dimension, 7)
    key = MasterKey.make()
    with tempfile.TemporaryDirectory() as scratch:
        folders = {kind: Path(scratch) / kind for kind in _KINDS}
        with _opened(folders["plain"], key, options.dimension) as gallery:
            items = samples(vectors)
            for low in range(0, options.count, 1000):
                gallery.enrol_many([next(items) for _ in range(min(1000, options.count - low))])
        shutil.copytree(folders["plain"], folders["encrypted"])
        with _opened(folders["encrypted"], key, options.dimension) as gallery:
            init_s = _timed(lambda: gallery.vault().init(key))
            rotate_s = _timed(lambda: gallery.vault().rotate(key))
        probes = Templates(vectors[: options.probes], np.ones(options.probes, np.float32), MODEL)
        work = _Work(folders, key, probes, options.rounds)
        database = work.times(_load, fresh=True)
        for folder in folders.values():
            with _opened(folder, key, options.dimension) as gallery:
                gallery.save_index()
        figures: dict[str, Any] = {
            "people": options.count,
            "dimension": options.dimension,
            "init_s": init_s,
            "rotate_s": rotate_s,
            "open_from_database_s": database,
            "open_with_index_file_s": work.times(_load),
            "search_s": work.times(lambda gallery: gallery.search(probes), loaded=True),
            "list_20_s": work.times(lambda gallery: gallery.subjects(limit=20)),
            "list_20_again_s": work.times(lambda gallery: gallery.subjects(limit=20, offset=20), listed=True),
            "database_bytes": {kind: (folder / "gallery.db").stat().st_size for kind, folder in folders.items()},
        }
    for value in figures.values():
        if isinstance(value, dict):
            value["ratio"] = value["encrypted"] / value["plain"]
    return figures


class _Work:
    """The two galleries, and what is done with each by turns."""

    def __init__(self, folders: dict[str, Path], key: MasterKey, probes: Templates, rounds: int) -> None:
        self.folders, self.key, self.rounds = folders, key, rounds
        self.dimension = probes.vectors.shape[1]

    def times(
        self, act: Callable[[Gallery], object], *, fresh: bool = False, loaded: bool = False, listed: bool = False
    ) -> dict[str, float]:
        """Median seconds of each kind.

        Args:
            act: What is timed, with the opening of the gallery unless it is `loaded` or `listed`.
            fresh: Remove index files first.
            loaded: Open and load the gallery before.
            listed: Open it and list its subjects before.
        """
        found: dict[str, list[float]] = {kind: [] for kind in _KINDS}
        for _ in range(self.rounds):
            for kind, folder in self.folders.items():
                for file in folder.glob("*.kfi") if fresh else ():
                    file.unlink()
                start = time.perf_counter()
                with _opened(folder, self.key, self.dimension) as gallery:
                    if loaded:
                        gallery.load()
                    if listed:
                        gallery.subjects(limit=1)
                    if loaded or listed:
                        start = time.perf_counter()
                    act(gallery)
                    found[kind].append(time.perf_counter() - start)
        return {kind: statistics.median(times) for kind, times in found.items()}


def _opened(folder: Path, key: MasterKey, dimension: int) -> Gallery:
    return Gallery.open(folder, MODEL, dimension, keys=KeyPlaces(key.text))


def _load(gallery: Gallery) -> None:
    gallery.load()


def _timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start
