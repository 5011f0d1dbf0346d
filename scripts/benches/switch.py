"""A gallery changes its model while it is killed, searched and enrolled into.

    scripts/bench switch [--people 5000] [--each 2] [--kills 20] [--seed NAME] [--json]

Two small embedders (random projections of the crop; the change is what is measured, not a network) and made crops. One
process searches without a pause and checks every answer: the right person, with the score of the model it names, so
that a comparison across models would show. Another one enrols. The job `knownface models use` is killed with SIGKILL
`--kills` times: three quarters of them spread over the embedding, the rest while thresholds are measured and the step
is made. Then everybody must be found with the new model, by the very template that enrolling with it makes; and after
`knownface models rollback` the answers must be those of before, to the bit. `faults` lists what went wrong.

A search is embedding one crop and searching; `worst` is the longest that any of them took, on whatever else the machine
did. The harness is tests/app/switch_harness.py. About two minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

HARNESS = Path(__file__).parents[2] / "tests" / "app"


def run(args: list[str]) -> dict[str, Any]:
    """Measures; see the module."""
    parser = argparse.ArgumentParser(prog="scripts/bench switch", description=__doc__)
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--each", type=int, default=2, help="samples of each")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", default="switch")
    options = parser.parse_args(args)
    sys.path.append(str(HARNESS))
    import switch_harness

    with tempfile.TemporaryDirectory() as folder:
        figures: dict[str, Any] = switch_harness.run(
            Path(folder), people=options.people, each=options.each, kills=options.kills, seed=options.seed
        )
    return figures
