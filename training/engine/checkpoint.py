"""The state of a run on disk: tensors in safetensors, everything else in JSON.

    RUN/checkpoints/step-000001200/state.json        step, scaler, best so far, configuration, SHA-256 of each file
                                   model.safetensors, optimiser.safetensors, average.safetensors, terms.safetensors
                                   head-0000-of-0002.safetensors ...   classes of a rank, with their optimiser state
                                   rng-0000.safetensors ...            random generators of a rank
    RUN/checkpoints/last.json, best.json             which folder is which

A checkpoint is written under another name, forced to the disk and renamed; then the pointer is replaced. Whenever the
process dies, the pointer names a whole checkpoint. Ranks must share the file system.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from pipeline.errors import CheckpointError
from pipeline.weights.files import sha256_of
from training.engine.config import TrainConfig
from training.engine.files import load, opened, point, store, sync
from training.engine.optimiser_state import OPTIMISER, of_optimiser, optimiser_tensors, put_optimiser, with_optimiser
from training.engine.setup import Parts
from training.heads import class_range

FORMAT = 1
#: What may be changed between two stretches of a run, since it does not change what is computed (but for rounding).
_FREE = {"run", "device", "threads", "save_every_steps", "log_every_steps", "tensorboard", "evaluation", "compile"}


class Progress(BaseModel):
    """How far a run has come.

    Attributes:
        step: Steps that are done.
        best_error: Lowest equal error rate on the first verification set; None before the first.
        best_step: Where that was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = 0
    best_error: float | None = None
    best_step: int | None = None


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    torch: str
    progress: Progress
    ranks: int
    head_shards: int
    scaler: dict[str, int | float]
    data_hash: str
    config: dict[str, Any]
    sha256: dict[str, str]


def save(parts: Parts, progress: Progress, *, best: bool) -> Path:
    """Writes a checkpoint and points `last` (and `best`) to it; called by all ranks together.

    Returns:
        Its folder.
    """
    root = parts.config.run / "checkpoints"
    folder = root / f"step-{progress.step:09d}"
    partial = root / f".{folder.name}.partial"
    world = parts.world
    if not _whole(folder):
        if world.first:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        world.wait()
        _write_shards(parts, partial)
        world.wait()
        if world.first:
            _write_common(parts, progress, partial)
            partial.replace(folder)
            sync(root)
    if world.first:
        for pointer in ("last", "best") if best else ("last",):
            point(root / f"{pointer}.json", folder.name)
        _prune(root)
    world.wait()
    return folder


def find(run: Path, which: str = "last") -> Path:
    """The folder of a run's `last` or `best` checkpoint.

    Raises:
        CheckpointError: There is none.
    """
    pointer = run / "checkpoints" / f"{which}.json"
    try:
        name = json.loads(pointer.read_text(encoding="utf-8"))["folder"]
        folder: Path = pointer.parent / Path(name).name
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{run}: has no {which} checkpoint; train first (a run that died before its first checkpoint is started "
            "again without `--resume`), or name the folder of a run"
        ) from error
    if not _whole(folder):
        raise CheckpointError(f"{folder}: is not a whole checkpoint, although {pointer.name} names it")
    return folder


def restore(parts: Parts, folder: Path) -> Progress:
    """Puts a run back where a checkpoint was taken; each rank reads the classes it now holds.

    Raises:
        CheckpointError: A file is missing or damaged, or of a run with another configuration or other photos.
    """
    state = _read_state(folder)
    _check_same(parts, state, folder)
    _check_files(state, folder, parts.world.rank)
    device = parts.world.device
    parts.network.load_state_dict(load(folder / "model.safetensors"))
    if parts.average is not None:
        parts.average.load_state_dict(load(folder / "average.safetensors"))
    names = dict(parts.network.named_parameters())
    put_optimiser(parts.stepper.optimiser, names, load(folder / "optimiser.safetensors"))
    tensors = _head_tensors(parts, folder, state.head_shards)
    if len(parts.terms):
        kept = load(folder / "terms.safetensors")
        parts.terms.load_state_dict({k: v for k, v in kept.items() if not k.startswith(OPTIMISER)})
        put_optimiser(parts.stepper.term_optimiser, dict(parts.terms.named_parameters()), of_optimiser(kept))
    parts.head.load_state_dict({k: v for k, v in tensors.items() if not k.startswith(OPTIMISER)})
    put_optimiser(parts.stepper.head_optimiser, dict(parts.head.named_parameters()), of_optimiser(tensors))
    if state.scaler and parts.stepper.scaler.is_enabled():
        parts.stepper.scaler.load_state_dict(dict(state.scaler))
    if parts.world.rank < state.ranks:
        random = load(folder / f"rng-{parts.world.rank:04d}.safetensors")
        torch.set_rng_state(random["cpu"])
        if device.type == "cuda" and "cuda" in random:
            torch.cuda.set_rng_state(random["cuda"], device)
    return state.progress


def read_network(folder: Path) -> tuple[TrainConfig, dict[str, Tensor]]:
    """Configuration of a checkpoint, and the weights that are evaluated and exported: the average where there is one.

    Raises:
        CheckpointError: It cannot be read.
    """
    state = _read_state(folder)
    config = TrainConfig.of(state.config, str(folder))
    file = folder / ("average.safetensors" if config.ema else "model.safetensors")
    if sha256_of(file) != state.sha256[file.name]:
        raise CheckpointError(f"{file}: is damaged: it does not have the SHA-256 of its state.json")
    tensors = load(file)
    if config.ema:
        tensors = {k.removeprefix("module."): v for k, v in tensors.items() if k.startswith("module.")}
    return config, tensors


def _write_shards(parts: Parts, partial: Path) -> None:
    """What only this rank knows."""
    world = parts.world
    random = {"cpu": torch.get_rng_state()}
    if world.device.type == "cuda":
        random["cuda"] = torch.cuda.get_rng_state(world.device)
    store(partial / f"rng-{world.rank:04d}.safetensors", random)
    shards = _shards(parts)
    if world.rank < shards:
        tensors = with_optimiser(parts.head, parts.stepper.head_optimiser)
        store(partial / f"head-{world.rank:04d}-of-{shards:04d}.safetensors", tensors)


def _write_common(parts: Parts, progress: Progress, partial: Path) -> None:
    """What is the same on all ranks; the state last, since it names all others."""
    store(partial / "model.safetensors", parts.network.state_dict())
    names = dict(parts.network.named_parameters())
    store(partial / "optimiser.safetensors", optimiser_tensors(parts.stepper.optimiser, names))
    if len(parts.terms):
        store(partial / "terms.safetensors", with_optimiser(parts.terms, parts.stepper.term_optimiser))
    if parts.average is not None:
        store(partial / "average.safetensors", parts.average.state_dict())
    state = _State(
        format=FORMAT,
        torch=torch.__version__,
        progress=progress,
        ranks=parts.world.size,
        head_shards=_shards(parts),
        scaler=parts.stepper.scaler.state_dict(),
        data_hash=parts.data_hash,
        config=parts.config.model_dump(mode="json"),
        sha256={file.name: sha256_of(file) for file in sorted(partial.iterdir())},
    )
    (partial / "state.json").write_text(state.model_dump_json(indent=1), encoding="utf-8")
    sync(partial / "state.json")
    sync(partial)


def _shards(parts: Parts) -> int:
    return 1 if parts.stepper.shared_head else parts.world.size


def _head_tensors(parts: Parts, folder: Path, shards: int) -> dict[str, Tensor]:
    """This rank's classes out of the shards that were written, by however many ranks."""
    head = parts.head
    centres = head.margin.centres
    files = [folder / f"head-{shard:04d}-of-{shards:04d}.safetensors" for shard in range(shards)]
    spans = [class_range(head.num_classes, shard, shards) for shard in range(shards)]
    pieces: dict[str, list[Tensor]] = {}
    for file, span in zip(files, spans, strict=True):
        start, stop = max(span.start, head.classes.start), min(span.stop, head.classes.stop)
        with opened(file) as stored:
            for name in stored.keys():  # noqa: SIM118 - it is no dictionary
                if _is_sharded(head.sharded_tensors, name) and stored.get_slice(name).get_shape():
                    if start < stop:
                        rows = slice((start - span.start) * centres, (stop - span.start) * centres)
                        pieces.setdefault(name, []).append(stored.get_slice(name)[rows])
                else:
                    pieces.setdefault(name, [stored.get_tensor(name)])
    return {name: torch.cat(found) if len(found) > 1 else found[0] for name, found in pieces.items()}


def _is_sharded(sharded: tuple[str, ...], name: str) -> bool:
    """A tensor of the head, or of the optimiser for one."""
    return (name.removeprefix(OPTIMISER).rsplit("/", 1)[0] if name.startswith(OPTIMISER) else name) in sharded


def _check_same(parts: Parts, state: _State, folder: Path) -> None:
    if state.data_hash != parts.data_hash:
        raise CheckpointError(f"{folder}: was made with other photos than {parts.config.data.path} now holds")
    now = parts.config.model_dump(mode="json")
    for key, value in state.config.items():
        if key not in _FREE and key != "data" and now.get(key) != value:
            raise CheckpointError(f"{folder}: was made with {key} = {value}, not {now.get(key)}; put it back to resume")


def _check_files(state: _State, folder: Path, rank: int) -> None:
    for name, sha256 in state.sha256.items():
        if name.startswith("rng-") and name != f"rng-{rank:04d}.safetensors":
            continue
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / name}: is missing from the checkpoint")
        if sha256_of(folder / name) != sha256:
            raise CheckpointError(f"{folder / name}: is damaged: it does not have the SHA-256 of its state.json")


def _read_state(folder: Path) -> _State:
    try:
        state = _State.model_validate_json((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValidationError, ValueError) as error:
        raise CheckpointError(f"{folder / 'state.json'}: cannot be read as the state of a run") from error
    if state.format != FORMAT:
        raise CheckpointError(f"{folder}: has format {state.format}; this version reads format {FORMAT}")
    return state


def _whole(folder: Path) -> bool:
    return (folder / "state.json").is_file()


def _prune(root: Path) -> None:
    """Removes what neither pointer names."""
    kept = set()
    for pointer in root.glob("*.json"):
        kept.add(json.loads(pointer.read_text(encoding="utf-8"))["folder"])
    for folder in (*root.glob("step-*"), *root.glob(".step-*.partial")):
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)
