"""Two ranks compute what one process does, and a run may change their number. Batch norms see the global batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.training.engine.runs import StoppedError, document, losses, make_photos, stopping_at
from training.engine.config import TrainConfig
from training.engine.loop import train

HEADS: dict[str, dict[str, Any]] = {
    "dense": {"head": {"kind": "dense"}, "terms": [{"name": "ring"}, {"name": "centre", "weight": 0.01}]},
    "tiled, sharded": {"head": {"kind": "tiled"}, "accumulate": 2},
    "fused, sharded": {"head": {"kind": "tiled", "fused": True}},
    "PartialFC, sharded": {"head": {"kind": "tiled", "sample_rate": 0.5}},
}
pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def run_ranks(jobs: list[dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "jobs.json"
    file.write_text(json.dumps([{"stop": 0, "resume": False, "port": free_port(), **job} for job in jobs]))
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.training.engine.ranks_child", str(file)]
    children = [
        subprocess.Popen(command, cwd=REPOSITORY, env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    try:
        assert [child.wait(timeout=600) for child in children] == [0, 0]
    finally:
        for child in children:
            child.kill()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RUNS/one/HEAD by one process, RUNS/two/HEAD by two ranks, RUNS/cut by two that were stopped."""
    root = tmp_path_factory.mktemp("runs")
    photos = make_photos(root / "photos")
    jobs = []
    for name, head in HEADS.items():
        changes = {"backbone": {"sync_norm": True}, "epochs": 1, **head}
        train(TrainConfig.of(document(root / "one" / name, photos, **changes), name), quiet=True)
        jobs.append({"config": document(root / "two" / name, photos, **changes)})
    changes = {"backbone": {"sync_norm": True}, "epochs": 1, **HEADS["tiled, sharded"]}
    jobs.append({"config": document(root / "cut", photos, **changes), "stop": 5})
    run_ranks(jobs, root)
    return root


@pytest.mark.parametrize("head", HEADS)
def test_two_ranks_have_the_losses_of_one(head: str, runs: Path) -> None:
    one, two = losses(runs / "one" / head), losses(runs / "two" / head)
    assert list(one) == list(range(1, 7))
    assert two == pytest.approx(one, rel=2e-4)
    assert one[1] != pytest.approx(one[6], rel=0.01)  # it did learn


def test_one_goes_on_where_two_stopped_and_the_other_way_round(runs: Path, tmp_path: Path) -> None:
    """The classes of two shards meet in one, and are divided again."""
    whole = losses(runs / "one" / "tiled, sharded")
    changes = {"backbone": {"sync_norm": True}, "epochs": 1, **HEADS["tiled, sharded"]}
    cut = document(runs / "cut", runs / "photos", **changes)
    assert (runs / "cut" / "checkpoints" / "step-000000004" / "head-0001-of-0002.safetensors").is_file()
    train(TrainConfig.of(cut, "cut"), resume=True, quiet=True)
    assert losses(runs / "cut") == pytest.approx(whole, rel=2e-4)
    alone = document(tmp_path / "alone", runs / "photos", **changes)
    with stopping_at(5), pytest.raises(StoppedError):
        train(TrainConfig.of(alone, "alone"), quiet=True)
    run_ranks([{"config": alone, "resume": True}], tmp_path)
    assert losses(tmp_path / "alone") == pytest.approx(whole, rel=2e-4)
