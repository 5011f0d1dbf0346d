"""A checkpoint that somebody else has written: named as such, whatever it says."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.errors import CheckpointError
from pipeline.weights.files import sha256_of
from tests.training.engine.runs import config, make_photos
from training.engine import checkpoint
from training.engine.loop import read_run, train

State = dict[str, Any]
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    run = config(folder / "run", make_photos(folder / "photos"), epochs=1, save_every_steps=0)
    train(run, quiet=True)
    return run.run


@pytest.fixture
def run(done: Path, tmp_path: Path) -> Path:
    return shutil.copytree(done, tmp_path / "run")


def change(run: Path, edit: Callable[[State], object]) -> None:
    file = checkpoint.find(run) / "state.json"
    state = json.loads(file.read_text(encoding="utf-8"))
    edit(state)
    file.write_text(json.dumps(state), encoding="utf-8")


def refused(run: Path, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        train(read_run(run), resume=True, quiet=True)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda state: state["progress"].update(step=-5), r"state\.json: cannot be read"),
        (lambda state: state["progress"].update(step=10**9), "is of step 1000000000, but the run has 6"),
        (lambda state: state.update(ranks=0), r"state\.json: cannot be read"),
        (lambda state: state.update(ranks=2), r"lacks the SHA-256 of rng-0001"),
        (lambda state: state.update(head_shards=0), r"state\.json: cannot be read"),
        (lambda state: state.update(head_shards=-3), r"state\.json: cannot be read"),
        (lambda state: state.update(head_shards=10**7), r"state\.json: cannot be read"),
        (lambda state: state.update(head_shards=2), "no part of it: head-0000-of-0001"),
        (lambda state: state.update(sha256={}), "lacks the SHA-256 of head-0000-of-0001"),
        (lambda state: state["sha256"].update({"../../config.toml": "0" * 64}), "no part of it: ../../config"),
    ],
)
def test_a_state_that_cannot_be(edit: Callable[[State], object], message: str, run: Path) -> None:
    change(run, edit)
    refused(run, message)


def cut(tensors: Tensors) -> Tensors:
    return {name: value[:1].clone() if value.dim() else value for name, value in tensors.items()}


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("model", cut),
        ("optimiser", cut),
        ("optimiser", lambda tensors: {**tensors, "nobody/momentum_buffer": torch.zeros(1)}),
        ("optimiser", lambda tensors: {**tensors, "flat": torch.zeros(1)}),
        ("optimiser", lambda tensors: {f"{next(iter(tensors)).rpartition('/')[0]}/exp_avg": torch.zeros(1)}),
        ("head-0000-of-0001", cut),
        ("head-0000-of-0001", lambda _: {"other": torch.zeros(1)}),
        ("rng-0000", lambda _: {"cpu": torch.zeros(3)}),
        ("rng-0000", lambda _: {"gpu": torch.zeros(3)}),
    ],
)
def test_tensors_of_something_else(name: str, edit: Callable[[Tensors], Tensors], run: Path) -> None:
    file = checkpoint.find(run) / f"{name}.safetensors"
    save_file(edit(load_file(file)), file)
    change(run, lambda state: state["sha256"].update({file.name: sha256_of(file)}))
    refused(run, f"{name.split('-', maxsplit=1)[0]}-?.*safetensors: (does not fit this run|.* rows, not)")


@pytest.mark.parametrize("text", ["junk\n", '{"loss": 1}\n', "[1]\n", "[" * 200_000 + "\n"])
def test_a_log_of_something_else(text: str, run: Path) -> None:
    (run / "log.jsonl").write_text(text, encoding="utf-8")
    refused(run, r"log\.jsonl: is not the log of a run")


@pytest.mark.parametrize("text", ["[]", "{}", "[" * 200_000])
def test_a_pointer_to_nothing(text: str, run: Path) -> None:
    (run / "checkpoints" / "last.json").write_text(text, encoding="utf-8")
    refused(run, r"last\.json: cannot be read")


def test_a_checkpoint_that_is_exported_is_checked_as_well(run: Path) -> None:
    folder = checkpoint.find(run)
    change(run, lambda state: state["sha256"].pop("model.safetensors"))
    with pytest.raises(CheckpointError, match=r"lacks the SHA-256 of model\.safetensors"):
        checkpoint.read_network(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of Unix")
def test_a_run_is_its_owners_alone(done: Path) -> None:
    for path in (done, *done.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
