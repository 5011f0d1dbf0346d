"""One optimiser step: micro-batches forward and backward, gradients checked and clipped, weights moved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from training.engine.guard import diverged, suspects
from training.engine.world import World, own_buffers

Precision = Literal["fp32", "bf16", "fp16"]
_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
_SMALLEST_SCALE = 1.0


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step reports.

    Attributes:
        loss: Mean over the global batch.
        norm: L2 norm of the backbone's gradient, before clipping.
        scale: Loss scale that was used; 1 without scaling.
        skipped: The scaled gradients overflowed: nothing was updated, the scale was lowered.
    """

    loss: float
    norm: float
    scale: float
    skipped: bool


class Stepper:
    """Everything one step needs.

    The head computes in full precision on a detached copy of the embeddings, and its gradients are never scaled: the
    loss scale (Micikevicius et al., 2018, arXiv:1710.03740, 3.2) is applied where the gradient enters the backbone, the
    only part that is in half precision. Clipping, as in arcface_torch, concerns the backbone.

    Args:
        network: The backbone as it is saved.
        head: Loss of embeddings and labels.
        optimiser: Of the backbone's parameters.
        head_optimiser: Of the head's.
        terms: Losses added to the head's; each rank holds a copy.
        term_optimiser: Of what they learn, if they learn anything.
        world: Ranks and device; the network is wrapped for them here.
        precision: Of the backbone's layers.
        clip: Largest norm of the backbone's gradient; 0 for no limit.
        channels_last: Photos and weights lie in memory with their channels together.
        compiled: Run the network through `torch.compile`.
        shared_head: Each rank holds the same class vectors, so that their gradients have to be averaged.
    """

    def __init__(
        self,
        network: nn.Module,
        head: nn.Module,
        optimiser: Optimizer,
        head_optimiser: Optimizer,
        world: World,
        *,
        terms: Iterable[nn.Module] = (),
        term_optimiser: Optimizer | None = None,
        precision: Precision = "fp32",
        clip: float = 0.0,
        channels_last: bool = False,
        compiled: bool = False,
        shared_head: bool = True,
    ) -> None:
        self.network, self.head = network, head
        self.optimiser, self.head_optimiser = optimiser, head_optimiser
        self.terms, self.term_optimiser = list(terms), term_optimiser
        self.world, self.precision, self.clip = world, precision, clip
        self.shared_head = shared_head
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=precision == "fp16")
        model: nn.Module = torch.compile(network) if compiled else network  # type: ignore[assignment]
        if world.group is not None:
            devices = [world.device] if world.device.type == "cuda" else None
            model = DistributedDataParallel(model, device_ids=devices, gradient_as_bucket_view=True, **own_buffers())
        self.model = model

    def __call__(self, micro_batches: Sequence[tuple[Tensor, Tensor]], *, step: int, rate: float) -> StepResult:
        """Moves the weights by one step.

        Args:
            micro_batches: (b, 3, 112, 112) uint8 RGB and (b,) int64 labels, equally many in each; their gradients are
                accumulated.
            step: Its number, for messages.
            rate: Learning rate.

        Raises:
            DivergedError: The loss is not finite, or the gradients are not and no lower loss scale would help.
        """
        beside = [one for one in (self.head_optimiser, self.term_optimiser) if one is not None]
        for optimiser in (self.optimiser, *beside):
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = rate
        total = torch.zeros((), dtype=torch.float64, device=self.world.device)
        embeddings = None
        for number, (photos, labels) in enumerate(micro_batches, 1):
            with self._synchronised(last=number == len(micro_batches)):
                with self.autocast():
                    out = self.model(self.normalised(photos))
                embeddings = out.detach().requires_grad_()
                loss = self._loss(embeddings, labels) / len(micro_batches)
                loss.backward()  # type: ignore[no-untyped-call]
                out.backward(self.scaler.scale(embeddings.grad))
            total += loss.detach()
        self.scaler.unscale_(self.optimiser)
        copied = (*([self.head] if self.shared_head else []), *self.terms)
        self.world.average_gradients(parameter for module in copied for parameter in module.parameters())
        norm = nn.utils.get_total_norm(p.grad for p in self.network.parameters() if p.grad is not None)
        result = self._result(self.world.sum(total) / self.world.size, norm)
        self._check(result, step, rate, embeddings)
        if self.clip and not result.skipped:
            nn.utils.clip_grads_with_norm_(self.network.parameters(), self.clip, norm)
        self.scaler.step(self.optimiser)  # skipped if the gradients overflowed
        for optimiser in beside if not result.skipped else ():
            optimiser.step()
        self.scaler.update()
        return result

    def _loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        labels = labels.to(self.world.device, non_blocking=True)
        losses: list[Tensor] = [loss(embeddings, labels) for loss in (self.head, *self.terms)]
        return torch.stack(losses).sum() if self.terms else losses[0]

    def normalised(self, photos: Tensor) -> Tensor:
        """(B, 3, 112, 112) uint8 -> float32 in [-1, 1] on the device."""
        photos = photos.to(self.world.device, non_blocking=True).to(memory_format=self.memory_format)
        return (photos.float() - 127.5) / 127.5

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of the backbone's layers."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.world.device.type, dtype=_HALF[self.precision])

    def _synchronised(self, *, last: bool) -> AbstractContextManager[object]:
        """Ranks exchange gradients with the last micro-batch only."""
        if last or not isinstance(self.model, DistributedDataParallel):
            return nullcontext()
        return self.model.no_sync()

    def _result(self, loss: Tensor, norm: Tensor) -> StepResult:
        """The numbers, in a single transfer from the device."""
        loss_value, norm_value = torch.stack([loss, norm.double()]).tolist()
        scaled = self.scaler.is_enabled()
        return StepResult(loss_value, norm_value, self.scaler.get_scale(), scaled and not math.isfinite(norm_value))

    def _check(self, result: StepResult, step: int, rate: float, embeddings: Tensor | None) -> None:
        if not math.isfinite(result.loss):
            what = f"the loss is {result.loss}"
        elif not math.isfinite(result.norm) and not result.skipped:
            what = f"the gradient's norm is {result.norm}"
        elif result.skipped and result.scale <= _SMALLEST_SCALE:
            what = "the gradients overflow although the loss scale has come down to its end"
        else:
            return
        raise diverged(
            what, step=step, rate=rate, scale=result.scale, suspects=suspects(self.network, self.head, embeddings)
        )
