"""SGD for the classes of a fused head: the gradient of a tile is used up before the next one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from training.heads.walk import Tile, Walk

if TYPE_CHECKING:
    from training.heads.tiled import TiledHead


class FusedSGD(torch.optim.Optimizer):
    """`torch.optim.SGD` over `head.weight`, without ever holding its gradient.

    g = dL/dw + weight_decay w;  b ← momentum b + g;  w ← w − lr b (b = g without momentum). `backward()` leaves with
    the head what a gradient is made of, some (B, D) per call; calls add up until `step`, which walks the classes once,
    or `zero_grad`, which forgets them. Learning-rate schedulers and `state_dict` work as with any optimiser; the
    momentum is a tensor like `head.weight`, in `state`. With PartialFC only the classes that took part move, decay
    included, and their momentum alone.

    Args:
        head: Made with `fused=True`.
        lr: Learning rate.
        momentum: In [0, 1).
        weight_decay: L2 penalty, at least 0.
    """

    def __init__(self, head: TiledHead, *, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__([head.weight], {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._head = head

    @torch.no_grad()
    def step(self, *, inverse_scale: float = 1.0) -> None:  # type: ignore[override]
        """One update, from all backward passes since the last.

        Args:
            inverse_scale: 1 / the loss scale that the losses were multiplied with.
        """
        pending = [(batch, slope.times(inverse_scale)) for batch, slope in self._head.pending]
        self.zero_grad()
        if not pending:
            return
        sets = [batch.taken for batch, _ in pending]
        taken = None if sets[0] is None else torch.unique(torch.cat([part for part in sets if part is not None]))
        walk = self._head.walk(sum(len(batch.query) for batch, _ in pending))
        for tile in walk.tiles(taken):
            several = len(pending) > 1
            parts = [(*walk.gradient(batch, slope, tile, several=several), batch.query) for batch, slope in pending]
            self._update(walk, tile, parts)

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: ARG002
        """Forgets the backward passes since the last step."""
        self._head.pending.clear()

    def _update(self, walk: Walk, tile: Tile, parts: list[tuple[Tensor, Tensor, Tensor]]) -> None:
        group = self.param_groups[0]
        lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
        by_row = sum((part[1] for part in parts[1:]), parts[0][1]) + decay
        rows, vectors = walk.rows_of(tile.classes), tile.vectors
        if momentum == 0:
            vectors.mul_((1 - lr * by_row)[:, None])
            for coefficients, _, query in parts:
                vectors.addmm_(coefficients.T, query, alpha=-lr)
        else:
            kept = self._momentum()[rows]
            kept.mul_(momentum).addcmul_(vectors, by_row[:, None])
            for coefficients, _, query in parts:
                kept.addmm_(coefficients.T, query)
            vectors.add_(kept, alpha=-lr)
            if isinstance(rows, Tensor):
                self._momentum()[rows] = kept
        if isinstance(rows, Tensor):
            walk.weight[rows] = vectors

    def _momentum(self) -> Tensor:
        state = self.state[self._head.weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(self._head.weight)
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def step_together(scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer, fused: FusedSGD) -> bool:
    """One step of backbone and classes under a loss scale: both or, where a gradient overflowed, neither.

    Call it where `scaler.step(optimizer); scaler.update()` would stand, after `scaler.unscale_` and clipping if
    wanted. An overflow in the head reaches the backbone through the embeddings' gradients, so the scaler's own check
    of `optimizer` (the same on all ranks once DDP has averaged) decides for both.

    Args:
        scaler: Its scale multiplied the loss of every backward pass since the last step.
        optimizer: Of the backbone.
        fused: Of the classes.

    Returns:
        Whether the step was made.
    """
    scale = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    made = scaler.get_scale() >= scale
    if made:
        fused.step(inverse_scale=1 / scale)
    fused.zero_grad()
    return made
