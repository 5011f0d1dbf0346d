"""One step of everything on the CPU, with a few photos, and what the run will take."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from training.engine import checkpoint
from training.engine.checkpoint_state import Progress
from training.engine.config import TrainConfig
from training.engine.evaluate import evaluate
from training.engine.setup import Parts, build, build_evaluations
from training.engine.world import world as joined
from training.heads import TiledHead

_PHOTOS = 8
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes of a rank of a single-process run, as computed from the run's own tensors.

    Attributes:
        weights: Backbone and classes, and their moving average.
        gradients: Of both; a fused head has none.
        optimiser: Momentum, or the moments of AdamW.
        activations: What the backward pass of a micro-batch keeps, measured on a few photos and scaled up.
        head: What a head needs while it works, by its documented formula; of a tiled one with the tiles of the CPU.
    """

    weights: float
    gradients: float
    optimiser: float
    activations: float
    head: float

    @property
    def total(self) -> float:
        """The sum: expect some more for the framework itself, and on a GPU for its libraries' workspaces."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.head


def dry_run(config: TrainConfig) -> dict[str, Any]:
    """Reads, trains, evaluates, saves and restores once; writes nothing that stays.

    Returns:
        `photos`, `identities`, `steps`, `parameters`, `gflops_per_photo` (multiplications and additions, forward),
        `memory_mb` (a dictionary), `seconds_per_photo` (this CPU), `hours_on_this_cpu`, `loss`, `evaluations`.

    Raises:
        KnownfaceError: Whatever the run would meet.
    """
    with tempfile.TemporaryDirectory() as folder, joined("cpu") as world:
        batch = min(config.batch, _PHOTOS * config.accumulate)
        small = config.model_copy(
            update={
                "run": Path(folder),
                "device": "cpu",
                "compile": False,
                "batch": batch,
                "data": config.data.model_copy(update={"workers": 0}),
            }
        )
        parts = build(small, world)
        sets = [_few(chosen) for chosen in build_evaluations(config)]
        micro = next(parts.batches.starting(0))
        activations = _activations(parts, micro[0][0])
        result = parts.stepper(micro, step=0, rate=config.optimiser.lr)
        start = time.perf_counter()
        result = parts.stepper(micro, step=1, rate=config.optimiser.lr)
        seconds = (time.perf_counter() - start) / batch
        if parts.average is not None:
            parts.average.update_parameters(parts.network)
        evaluations = {chosen.name: evaluate(parts.stepper, parts.evaluated, chosen) for chosen in sets}
        checkpoint.restore(parts, checkpoint.save(parts, Progress(step=1), best=False))
        memory = _memory(parts, config, activations)
        steps = len(parts.dataset) // config.batch * config.epochs
        return {
            "photos": len(parts.dataset),
            "identities": len(parts.dataset.identities),
            "steps": steps,
            "parameters": _count(parts.network) + _count(parts.head),
            "gflops_per_photo": _gflops(parts, micro[0][0][:1]),
            "memory_mb": {
                **{name: getattr(memory, name) for name in Memory.__dataclass_fields__},
                "total": memory.total,
            },
            "seconds_per_photo": seconds,
            "hours_on_this_cpu": seconds * steps * config.batch / 3600,
            "loss": result.loss,
            "evaluations": {name: figures["eer"] for name, figures in evaluations.items()},
        }


def _few(chosen: Any) -> Any:
    """The first photos of a verification set, as many as show two people."""
    labels = chosen.dataset.labels[chosen.chosen]
    first = [int((labels == label).argmax()) for label in dict.fromkeys(labels.tolist())][:2]
    second = [int((labels == labels[i]).nonzero()[0][-1]) for i in first]
    return type(chosen)(chosen.name, chosen.dataset, chosen.chosen[sorted({*first, *second})])


def _activations(parts: Parts, photos: Tensor) -> float:
    """Bytes per photo that autograd keeps in the backbone's forward pass, but for the weights themselves."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*parts.network.parameters(), *parts.network.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    random = torch.get_rng_state()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), parts.stepper.autocast():
        parts.network(parts.stepper.normalised(photos))
    torch.set_rng_state(random)
    return sum(kept.values()) / len(photos)


def _memory(parts: Parts, config: TrainConfig, activations: float) -> Memory:
    micro = config.batch // config.accumulate
    head = parts.head
    fused = isinstance(head, TiledHead) and head.fused
    weights = _bytes(parts.network) * (2 if parts.average is not None else 1) + _bytes(head)
    gradients = _bytes(parts.network) + (0 if fused else _bytes(head))
    moments = 2 if config.optimiser.name == "adamw" else 1 if config.optimiser.momentum else 0
    if isinstance(head, TiledHead):
        tile = min(head.walk(micro).tile, head.num_classes)
        working = 4 * tile * (head.margin.centres * head.dimension + 4 * micro)
    else:
        working = 16 * micro * head.num_classes * head.margin.centres + 2 * _bytes(head)
    optimiser = moments * (_bytes(parts.network) + _bytes(head))
    parts_mb = (weights, gradients, optimiser, activations * micro, working)
    return Memory(*(value / _MEGABYTE for value in parts_mb))


def _gflops(parts: Parts, photo: Tensor) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        parts.network.eval()(parts.stepper.normalised(photo))
    return float(counter.get_total_flops()) / 1e9


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _bytes(module: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
