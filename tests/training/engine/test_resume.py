"""A run that was stopped goes on exactly as if it had not been."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from pipeline.errors import CheckpointError, ConfigError
from tests.conftest import REPOSITORY
from tests.training.engine.runs import StoppedError, config, entries, losses, make_photos, stopping_at
from training.engine import checkpoint
from training.engine.loop import read_run, train

VARIANTS: dict[str, dict[str, Any]] = {
    "dense": {
        "backbone": {"dropout": 0.3},
        "ema": 0.9,
        "terms": [{"name": "ring"}, {"name": "centre", "weight": 0.01}],
    },
    "fused": {"head": {"kind": "tiled", "fused": True, "sample_rate": 0.5}, "accumulate": 2, "precision": "bf16"},
    "adamw": {"optimiser": {"name": "adamw", "lr": 1e-3}, "precision": "fp16", "margin": {"name": "cosface"}},
    "memory": {"head": {"kind": "tiled"}, "checkpointing": True, "channels_last": True},
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("photos"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_loss_and_weight_is_the_same(variant: str, photos: Path, tmp_path: Path) -> None:
    held_out = make_photos(tmp_path / "held-out", identities=2, photos=2, seed=1)
    changes = {**VARIANTS[variant], "evaluation": [{"name": "held-out", "path": str(held_out)}], "epochs": 2}
    train(config(tmp_path / "whole", photos, **changes), quiet=True)
    stopped = config(tmp_path / "stopped", photos, **changes)
    for step in (3, 7):  # before the first checkpoint, and in the middle of the second epoch
        with stopping_at(step), pytest.raises(StoppedError):
            train(stopped, quiet=True, resume=step > 3)
        if step == 3:
            shutil.rmtree(stopped.run)
            with stopping_at(5), pytest.raises(StoppedError):
                train(stopped, quiet=True)
    result = train(read_run(stopped.run), resume=True, quiet=True)
    assert losses(stopped.run) == losses(tmp_path / "whole")
    assert list(losses(stopped.run)) == list(range(1, 13))
    assert result is not None
    assert result["steps"] == 12
    assert [e["eer"] for e in entries(stopped.run) if "eer" in e] == [
        e["eer"] for e in entries(tmp_path / "whole") if "eer" in e
    ]
    for name in ("model", "optimiser", "head-0000-of-0001"):
        ours, theirs = (
            load_file(checkpoint.find(run) / f"{name}.safetensors") for run in (stopped.run, tmp_path / "whole")
        )
        assert ours.keys() == theirs.keys()
        assert all(ours[key].equal(theirs[key]) for key in ours), name


@pytest.mark.slow
def test_kill_9_in_the_middle_of_an_epoch(photos: Path, tmp_path: Path) -> None:
    whole = config(tmp_path / "whole", photos, backbone={"dropout": 0.2}, epochs=4)
    train(whole, quiet=True)
    killed = config(tmp_path / "killed", photos, backbone={"dropout": 0.2}, epochs=4)
    file = tmp_path / "killed.toml"
    file.write_text(killed.toml(), encoding="utf-8")
    child = subprocess.Popen([sys.executable, "-m", "app.cli", "train", str(file)], cwd=REPOSITORY)
    log = killed.run / "log.jsonl"
    try:
        while not log.is_file() or len(log.read_text(encoding="utf-8").splitlines()) < 10:
            assert child.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert 10 <= len(losses(killed.run)) < 24
    resumed = [sys.executable, "-m", "app.cli", "train", "--resume", str(killed.run), "--quiet"]
    subprocess.run(resumed, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    assert losses(killed.run) == losses(whole.run)
    assert len(losses(whole.run)) == 24


def test_a_run_that_died_before_its_first_checkpoint_starts_again_in_its_folder(photos: Path, tmp_path: Path) -> None:
    held_out = make_photos(tmp_path / "held-out", identities=2, photos=2, seed=1)
    run = config(tmp_path / "run", photos, epochs=1, evaluation=[{"name": "held-out", "path": str(held_out)}])
    with stopping_at(3), pytest.raises(StoppedError):
        train(run, quiet=True)
    (run.run / "checkpoints" / ".step-000000004.partial").mkdir(parents=True)  # it died while it wrote
    with pytest.raises(CheckpointError, match="without `--resume`"):
        train(run, resume=True, quiet=True)
    result = train(run, quiet=True)
    assert list(losses(run.run)) == list(range(1, 7))
    assert not list((run.run / "checkpoints").glob(".*"))
    untrained = next(entry["eer"] for entry in entries(run.run) if entry["step"] == 0)
    assert result is not None
    assert result["untrained_error"] == untrained
    resumed = train(run, resume=True, quiet=True)
    assert resumed is not None
    assert resumed["untrained_error"] == untrained  # from the log


def test_what_cannot_be_resumed_is_named(photos: Path, tmp_path: Path) -> None:
    run = config(tmp_path / "run", photos, epochs=1, save_every_steps=0)
    with pytest.raises(CheckpointError, match="has no last checkpoint"):
        train(run, resume=True, quiet=True)
    with pytest.raises(CheckpointError, match="holds no run"):
        read_run(tmp_path / "nowhere")
    train(run, quiet=True)
    with pytest.raises(ConfigError, match="holds a run already"):
        train(run, quiet=True)
    other = config(tmp_path / "run", photos, epochs=2, save_every_steps=0)
    with pytest.raises(CheckpointError, match="epochs = 1, not 2"):
        train(other, resume=True, quiet=True)
    more = make_photos(tmp_path / "more", photos=PHOTOS_MORE)
    with pytest.raises(CheckpointError, match="other photos"):
        train(config(tmp_path / "run", more, epochs=1), resume=True, quiet=True)


PHOTOS_MORE = 9


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "state"])
def test_a_damaged_checkpoint_is_named(damage: str, photos: Path, tmp_path: Path) -> None:
    run = config(tmp_path / "run", photos, epochs=1, save_every_steps=0)
    train(run, quiet=True)
    folder = checkpoint.find(run.run)
    file = folder / ("state.json" if damage == "state" else "model.safetensors")
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[-100] ^= 1
    file.write_bytes(bytes(data[: len(data) // 2] if damage in ("truncate", "state") else data))
    if damage == "remove":
        file.unlink()
    with pytest.raises(CheckpointError, match=file.name):
        train(run, resume=True, quiet=True)


def test_only_what_the_pointers_name_is_kept(photos: Path, tmp_path: Path) -> None:
    run = config(tmp_path / "run", photos, epochs=2)
    (run.run / "checkpoints" / "step-000000004").mkdir(parents=True)
    with pytest.raises(ConfigError, match="holds a run already"):
        train(run, quiet=True)
    (run.run / "checkpoints" / "step-000000004").rmdir()
    train(run, quiet=True)
    assert [p.name for p in (run.run / "checkpoints").iterdir() if p.is_dir()] == ["step-000000012"]
