"""One rank of several: `ranks_child.py JOBS`, a JSON list of {config, port, stop, resume}."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext, suppress
from pathlib import Path

from tests.training.engine.runs import StoppedError, stopping_at
from training.engine.config import TrainConfig
from training.engine.loop import train


def main() -> None:
    for job in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        os.environ["MASTER_PORT"] = str(job["port"])
        stop = stopping_at(job["stop"]) if job["stop"] else nullcontext()
        with stop, suppress(StoppedError):
            train(TrainConfig.of(job["config"], "job"), resume=job["resume"], quiet=True)


if __name__ == "__main__":
    main()
