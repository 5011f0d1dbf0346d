"""What all backbones share: the fp32 end under mixed precision, and blocks whose activations are recomputed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


class Backbone(nn.Module):
    """A network from aligned crops to embeddings.

    `forward` takes (B, 3, 112, 112) RGB, `(x - 127.5) / 127.5`, and gives (B, dimension), not normalised.

    Attributes:
        dimension: Length D of an embedding.
        checkpointing: Recompute the activations of each block in the backward pass instead of keeping them (Chen et
            al., 2016, arXiv:1604.06174): less memory, more time, the same gradients.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = dimension
        self.checkpointing = False

    def through(self, blocks: Iterable[nn.Module], x: Tensor, *, random: bool = False) -> Tensor:
        """Runs the blocks one after the other.

        Args:
            blocks: What to run.
            x: What the first takes.
            random: They draw random numbers, which a second run must draw again. Keeping the generator's state waits
                for the GPU at every block, so it is done where it is needed only.
        """
        for block in blocks:
            if self.checkpointing and self.training:
                again = partial(_contexts, block)
                x = checkpoint(block, x, use_reentrant=False, preserve_rng_state=random, context_fn=again)
            else:
                x = block(x)
        return x


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Turns autocast off around the last layers: an embedding in half precision would cost the margin its digits."""
    kind = x.device.type
    on = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if on else nullcontext()


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[object], AbstractContextManager[object]]:
    """What the first and the second run of a block happen in."""
    return nullcontext(), _still(block)


@contextmanager
def _still(block: nn.Module) -> Iterator[None]:
    """While a block is run a second time its running statistics must not move a second time."""
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, count in kept:
            norm.momentum, norm.num_batches_tracked = momentum, count
