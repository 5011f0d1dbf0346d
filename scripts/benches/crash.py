"""Kill -9 in the middle of enrol, remove, merge, save, backup and restore, many times over one gallery.

    scripts/bench crash [--kills 200] [--seed NAME] [--json]

After each kill the gallery must open, hold everything that was acknowledged, find nobody who was removed, and pass
`check`; the action that was interrupted may have happened or not. The harness is tests/pipeline/gallery/crash_child.py.
"""

from __future__ import annotations

import argparse
import collections
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HARNESS = Path(__file__).parents[2] / "tests" / "pipeline" / "gallery"


def run(args: list[str]) -> dict[str, Any]:
    """Kills; see the module."""
    parser = argparse.ArgumentParser(prog="scripts/bench crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", default="crash")
    options = parser.parse_args(args)
    sys.path.insert(0, str(HARNESS))
    from crash_child import one_kill

    interrupted: collections.Counter[str] = collections.Counter()
    faults: list[str] = []
    reopen_s: list[float] = []
    acknowledged = 0
    state, saved = {}, None
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.kills):
            outcome = one_kill(Path(folder) / "gallery", f"{options.seed}{number}", state, saved)
            interrupted[outcome.under_way or "nothing"] += 1
            faults += [f"kill {number} during {outcome.under_way or 'nothing'}: {fault}" for fault in outcome.faults]
            reopen_s.append(outcome.reopen_s)
            acknowledged += outcome.acknowledged
            state, saved = outcome.state, outcome.saved
    return {
        "kills": options.kills,
        "interrupted": dict(interrupted.most_common()),
        "actions_acknowledged": acknowledged,
        "faults": faults,
        "reopen_ms_median": round(statistics.median(reopen_s) * 1e3, 1),
        "reopen_ms_max": round(max(reopen_s) * 1e3, 1),
        "seconds": round(time.perf_counter() - start, 1),
    }
