"""`scripts/bench audit`: what the audit log costs, with every decision in it: identify, an entry, verifying the log.

`identify` runs on the sample photos with the models of the settings, with the log off and with every decision in it by
turns, so that what else the machine does falls on both. An entry is also timed by itself.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.services import Services
from app.trail import BATCH
from pipeline.config import Settings, home
from pipeline.weights.samples import pull_samples

_POLICY = 'name = "bench"\n[audit]\ndecisions = "{level}"\n'


def run(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="scripts/bench audit")
    parser.add_argument("--photos", type=int, default=96, help="photos of one pass")
    parser.add_argument("--rounds", type=int, default=5, help="passes of each kind, interleaved")
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
        rates: dict[str, list[float]] = {"off": [], "each": []}
        for _ in range(options.rounds + 1):
            for name, services in (("off", off), ("each", each)):
                rates[name].append(options.photos / _timed(lambda s=services: list(s.identify(photos))))
        median = {name: statistics.median(values[1:]) for name, values in rates.items()}  # the first one warms up
        entry_s = _timed(lambda: [each.gallery.record("login") for _ in range(options.records)]) / options.records
        check_s = _timed(each.gallery.verify_audit)
        entries = each.gallery.verify_audit().entries
        figures = {
            "photos": options.photos,
            "photos_per_s_without": median["off"],
            "photos_per_s_with": median["each"],
            "lost_percent": 100 * (1 - median["each"] / median["off"]),
            "spread_percent": {name: 100 * (max(v[1:]) / min(v[1:]) - 1) for name, v in rates.items()},
            "entry_ms": 1000 * entry_s,
            "photos_of_one_entry": BATCH,
            "entry_ms_per_photo": 1000 * entry_s / BATCH,
            "verified_entries_per_s": entries / check_s,
        }
        each.close()
        off.close()
    return figures


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
