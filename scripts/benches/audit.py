"""`scripts/bench audit`: what the audit log costs, with every decision in it: identify, an entry, verifying the log.

`identify` runs on the sample photos with the models of the settings, in pairs of passes: with the log off and with
every decision in it, one right after the other, and the other way round in the next pair. What is lost is taken within
each pair, so that what else the machine does falls on both; of all pairs the median counts, with the interval in which
it lies in 95 % of resamplings (Efron 1979). No pair begins after `--seconds`. An entry is also timed by itself.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.services import Services
from app.trail import BATCH
from pipeline.config import Settings, home
from pipeline.weights.samples import pull_samples

_POLICY = 'name = "bench"\n[audit]\ndecisions = "{level}"\n'


def run(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="scripts/bench audit")
    parser.add_argument("--photos", type=int, default=64, help="photos of one pass")
    parser.add_argument("--pairs", type=int, default=30, help="pairs of passes at most")
    parser.add_argument("--seconds", type=float, default=100.0, help="begin no further pair after so many")
    parser.add_argument("--records", type=int, default=300, help="entries written one by one, and enrolments")
    options = parser.parse_args(arguments)
    samples = pull_samples(home() / "samples")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        off, each = (_services(place, level) for level in ("off", "each"))
        for sample in samples:
            if sample.role == "enrol":
                off.enrol(sample.person, [sample.path])
        photos = [samples[n % len(samples)].path for n in range(options.photos)]
        for services in (off, each):
            list(services.identify(photos))  # warms up
        taken = _in_pairs(off, each, photos, options)
        lost = [100 * (1 - without / with_) for without, with_ in taken]
        low, high = _interval(lost)
        entry_s = _timed(lambda: [each.gallery.record("login") for _ in range(options.records)]) / options.records
        check_s = _timed(each.gallery.verify_audit)
        entries = each.gallery.verify_audit().entries
        figures = {
            "photos": options.photos,
            "pairs": len(taken),
            "photos_per_s_without": options.photos / statistics.median(one for one, _ in taken),
            "photos_per_s_with": options.photos / statistics.median(one for _, one in taken),
            "lost_percent": statistics.median(lost),
            "lost_percent_95": [low, high],
            "entry_ms": 1000 * entry_s,
            "photos_of_one_entry": BATCH,
            "entry_ms_per_photo": 1000 * entry_s / BATCH,
            "verified_entries_per_s": entries / check_s,
        }
        each.close()
        off.close()
    return figures


def _in_pairs(
    off: Services, each: Services, photos: list[Path], options: argparse.Namespace
) -> list[tuple[float, float]]:
    """Seconds of passes without and with the log, in pairs."""
    taken: list[tuple[float, float]] = []
    end = time.perf_counter() + options.seconds
    while len(taken) < options.pairs and (len(taken) < 2 or time.perf_counter() < end):
        order = (off, each) if len(taken) % 2 == 0 else (each, off)
        seconds = {id(services): _timed(lambda s=services: list(s.identify(photos))) for services in order}
        taken.append((seconds[id(off)], seconds[id(each)]))
    return taken


def _interval(values: list[float]) -> tuple[float, float]:
    """Where the median lies in 95 of 100 resamplings."""
    draws = np.random.default_rng(0).choice(values, (2000, len(values)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return float(low), float(high)


def _services(place: Path, level: str) -> Services:
    policy = place / f"{level}.toml"
    policy.write_text(_POLICY.format(level=level), encoding="utf-8")
    base = Settings.load()
    models = place / "models"
    if not models.exists():
        models.symlink_to(base.models_dir)
    changes = {"home": place, "gallery": str(place / "gallery"), "policy": str(policy)}
    return Services(base.model_copy(update=changes))


def _timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start
