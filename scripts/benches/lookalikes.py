"""`scripts/bench lookalikes`: what holding photos against who is enrolled costs when a folder is enrolled.

    scripts/bench lookalikes --folder DIR [--photos 150] [--enrolled 0,10000] [--rounds 3] [--json]

DIR/PERSON/*.jpg is enrolled into galleries of their own, with `enrolment.lookalikes` off and with `warn`, in turns that
change their order. Of each pair of passes the ratio counts: of the time, and of the processor time, which other work on
the machine disturbs less. `--enrolled` people with made-up templates are there before.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from app.photos import photos_in
from app.services import Services
from pipeline.config import Settings
from scripts.benches._vectors import people, samples

_POLICY = 'name = "bench"\n[enrolment]\nlookalikes = "{level}"\n'
_PART = 1000


def run(arguments: list[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="scripts/bench lookalikes")
    parser.add_argument("--folder", type=Path, required=True, help="DIR/PERSON/*.jpg")
    parser.add_argument("--photos", type=int, default=150, help="of the folder, at most")
    parser.add_argument("--enrolled", default="0,10000", help="people there before, a pass for each number")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of passes")
    options = parser.parse_args(arguments)
    found = ((person.name, file) for person in sorted(options.folder.iterdir()) for file in photos_in(person))
    items = list(islice(found, options.photos))
    return {
        "photos": len(items),
        "galleries": [_measured(items, int(size), options.rounds) for size in options.enrolled.split(",")],
    }


def _measured(items: list[tuple[str, Path]], enrolled: int, rounds: int) -> dict[str, Any]:
    pairs, warned = [], 0
    for number in range(rounds):
        levels = ("off", "warn") if number % 2 == 0 else ("warn", "off")
        taken = {}
        for level in levels:
            *taken[level], found = _pass(items, enrolled, level)
            warned = max(warned, found)
        pairs.append((taken["off"], taken["warn"]))
    return {
        "enrolled_before": enrolled,
        "warned": warned,
        "photos_per_s_without": len(items) / statistics.median(off[0] for off, _ in pairs),
        "photos_per_s_with": len(items) / statistics.median(warn[0] for _, warn in pairs),
        "time_ratio": statistics.median(warn[0] / off[0] for off, warn in pairs),
        "cpu_ratio": statistics.median(warn[1] / off[1] for off, warn in pairs),
        "cpu_ratios": [round(warn[1] / off[1], 3) for off, warn in pairs],
    }


def _pass(items: list[tuple[str, Path]], enrolled: int, level: str) -> tuple[float, float, int]:
    """Seconds, seconds of the processor, and how many photos were warned of."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        policy = place / "policy.toml"
        policy.write_text(_POLICY.format(level=level), encoding="utf-8")
        base = Settings.load()
        (place / "models").symlink_to(base.models_dir)
        changes = {"home": place, "gallery": str(place / "gallery"), "policy": str(policy)}
        services = Services(base.model_copy(update=changes))
        made = list(samples(people(enrolled, services.gallery.dimension, 3))) if enrolled else []
        for low in range(0, len(made), _PART):
            services.gallery.enrol_many(made[low : low + _PART])
        services.recognizer.analyse(services.open(items[0][1]))  # warms up
        start, cpu = time.perf_counter(), time.process_time()
        rows = list(services.enrol_many(items))
        seconds, worked = time.perf_counter() - start, time.process_time() - cpu
        services.close()
    return seconds, worked, sum(bool(row.warnings) for row in rows)
