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

import shutil
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import CheckpointError
from pipeline.gallery import private
from pipeline.weights.files import sha256_of
from training.engine.checkpoint_state import (
    FORMAT,
    Progress,
    State,
    check_file,
    check_files,
    check_names,
    check_same,
    random_file,
    read_state,
    shard_file,
)
from training.engine.config import TrainConfig
from training.engine.files import fitting, load, opened, point, pointed, store, sync
from training.engine.optimiser_state import (
    OPTIMISER,
    optimiser_tensors,
    put_optimiser,
    put_with_optimiser,
    with_optimiser,
)
from training.engine.setup import Parts
from training.heads import class_range

#: The pointers.
_KEPT = ("last", "best")


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
            private.make_folder(root)
            private.make_folder(partial)
        world.wait()
        _write_shards(parts, partial)
        world.wait()
        if world.first:
            _write_common(parts, progress, partial)
            partial.replace(folder)
            sync(root)
    if world.first:
        for pointer in _KEPT if best else _KEPT[:1]:
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
    if not pointer.is_file():
        raise CheckpointError(
            f"{run}: has no {which} checkpoint; train first (a run that died before its first checkpoint is started "
            "again without `--resume`), or name the folder of a run"
        )
    folder = pointed(pointer)
    if not _whole(folder):
        raise CheckpointError(f"{folder}: is not a whole checkpoint, although {pointer.name} names it")
    return folder


def restore(parts: Parts, folder: Path) -> Progress:
    """Puts a run back where a checkpoint was taken; each rank reads the classes it now holds.

    Raises:
        CheckpointError: A file is missing or damaged, or of a run with another configuration or other photos.
    """
    state = read_state(folder)
    check_same(state, parts.config, parts.data_hash, folder)
    check_files(state, parts.config, folder, parts.world.rank)
    if state.progress.step > parts.plan.steps:
        raise CheckpointError(f"{folder}: is of step {state.progress.step}, but the run has {parts.plan.steps}")
    _restore_modules(parts, folder, state.head_shards)
    if state.scaler and parts.stepper.scaler.is_enabled():
        with fitting(folder / "state.json"):
            parts.stepper.scaler.load_state_dict(dict(state.scaler))
    if parts.world.rank < state.ranks:
        _restore_random(folder / random_file(parts.world.rank), parts.world.device)
    return state.progress


def _restore_modules(parts: Parts, folder: Path, shards: int) -> None:
    """Tensors of the network, its average, the terms and the head, with those of their optimisers."""
    file, stepper = folder / "model.safetensors", parts.stepper
    with fitting(file):
        parts.network.load_state_dict(load(file))
    if parts.average is not None:
        file = folder / "average.safetensors"
        with fitting(file):
            parts.average.load_state_dict(load(file))
    file = folder / "optimiser.safetensors"
    with fitting(file):
        put_optimiser(stepper.optimiser, dict(parts.network.named_parameters()), load(file))
    if len(parts.terms):
        file = folder / "terms.safetensors"
        with fitting(file):
            put_with_optimiser(parts.terms, stepper.term_optimiser, load(file))
    with fitting(folder / shard_file("*", shards)):
        put_with_optimiser(parts.head, stepper.head_optimiser, _head_tensors(parts, folder, shards))


def _restore_random(file: Path, device: torch.device) -> None:
    with fitting(file):
        random = load(file)
        torch.set_rng_state(random["cpu"])
        if device.type == "cuda" and "cuda" in random:
            torch.cuda.set_rng_state(random["cuda"], device)


def read_network(folder: Path) -> tuple[TrainConfig, dict[str, Tensor]]:
    """Configuration of a checkpoint, and the weights that are evaluated and exported: the average where there is one.

    Raises:
        CheckpointError: It cannot be read.
    """
    state = read_state(folder)
    config = TrainConfig.of(state.config, str(folder))
    file = folder / ("average.safetensors" if config.ema else "model.safetensors")
    check_names(state, config, folder)
    check_file(file, state.sha256[file.name])
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
    store(partial / random_file(world.rank), random)
    shards = _shards(parts)
    if world.rank < shards:
        tensors = with_optimiser(parts.head, parts.stepper.head_optimiser)
        store(partial / shard_file(f"{world.rank:04d}", shards), tensors)


def _write_common(parts: Parts, progress: Progress, partial: Path) -> None:
    """What is the same on all ranks; the state last, since it names all others."""
    store(partial / "model.safetensors", parts.network.state_dict())
    names = dict(parts.network.named_parameters())
    store(partial / "optimiser.safetensors", optimiser_tensors(parts.stepper.optimiser, names))
    if len(parts.terms):
        store(partial / "terms.safetensors", with_optimiser(parts.terms, parts.stepper.term_optimiser))
    if parts.average is not None:
        store(partial / "average.safetensors", parts.average.state_dict())
    state = State(
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
    private.touch(partial / "state.json")
    (partial / "state.json").write_text(state.model_dump_json(indent=1), encoding="utf-8")
    sync(partial / "state.json")
    sync(partial)


def _shards(parts: Parts) -> int:
    return 1 if parts.stepper.shared_head else parts.world.size


def _head_tensors(parts: Parts, folder: Path, shards: int) -> dict[str, Tensor]:
    """This rank's classes out of the shards that were written, by however many ranks."""
    head = parts.head
    centres = head.margin.centres
    files = [folder / shard_file(f"{shard:04d}", shards) for shard in range(shards)]
    spans = [class_range(head.num_classes, shard, shards) for shard in range(shards)]
    pieces: dict[str, list[Tensor]] = {}
    for file, span in zip(files, spans, strict=True):
        start, stop = max(span.start, head.classes.start), min(span.stop, head.classes.stop)
        with opened(file) as stored:
            for name in stored.keys():  # noqa: SIM118 - it is no dictionary
                shape = stored.get_slice(name).get_shape()
                if _is_sharded(head.sharded_tensors, name) and shape:
                    if shape[0] != len(span) * centres:
                        raise CheckpointError(f"{file}: {name} has {shape[0]} rows, not {len(span) * centres}")
                    if start < stop:
                        rows = slice((start - span.start) * centres, (stop - span.start) * centres)
                        pieces.setdefault(name, []).append(stored.get_slice(name)[rows])
                else:
                    pieces.setdefault(name, [stored.get_tensor(name)])
    return {name: torch.cat(found) if len(found) > 1 else found[0] for name, found in pieces.items()}


def _is_sharded(sharded: tuple[str, ...], name: str) -> bool:
    """A tensor of the head, or of the optimiser for one."""
    return (name.removeprefix(OPTIMISER).rsplit("/", 1)[0] if name.startswith(OPTIMISER) else name) in sharded


def _whole(folder: Path) -> bool:
    return (folder / "state.json").is_file()


def _prune(root: Path) -> None:
    """Removes what neither pointer names."""
    kept = {pointed(file).name for name in _KEPT if (file := root / f"{name}.json").is_file()}
    for folder in (*root.glob("step-*"), *root.glob(".step-*.partial")):
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)
