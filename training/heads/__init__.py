"""Heads: how the classes are held, and the loss over them.

A head is a module `(embeddings (B, D), labels (B,) int64) -> scalar loss`, the mean over this rank's batch; the mean of
the ranks' losses is the loss of the global batch. Embeddings may come in fp16 or bf16 out of autocast, which a head
switches off for itself: its statistics are float32.

    from training.margins import MARGINS
    head = DenseHead(MARGINS["arcface"](margin_rad=0.5, scale=64.0), num_classes, dimension, seed=0)

    head.num_classes, head.dimension, head.classes (a range), head.group, head.margin (head.margin.scale, ...)

Several ranks. Pass `group=torch.distributed.group.WORLD`; every rank calls the head with equally many rows.
`DenseHead` keeps a copy per rank: average the gradient of its parameters (wrap it in DDP together with the backbone, or
by itself). `TiledHead` divides the classes over the ranks: leave it out of DDP; its gradients, to the embeddings and to
its own shard, are right as they are when DDP averages the backbone's. Embeddings of all ranks meet inside the head.

State. `head.state_dict()` is all of it, tensors only. Those named in `head.sharded_tensors` have an axis 0 that runs
over `head.classes` (`head.margin.centres` rows a class); all others are equal on every rank. To go on with another
number of ranks, concatenate the shards in the order of the ranks and cut rows
`classes.start * centres : classes.stop * centres` for each new head. Initial values do not depend on that number.

Optimiser. With `fused=False` give `head.parameters()` to any optimiser. With `fused=True` the class gradient is never
formed: `head.weight.grad` stays None, and `head.sgd(lr=..., momentum=..., weight_decay=...)` makes the optimiser that
updates the classes (its momentum is one more sharded tensor).
"""

from __future__ import annotations

from training.heads.base import Head
from training.heads.dense import DenseHead
from training.heads.fused import FusedSGD, step_together
from training.heads.shards import class_range
from training.heads.tiled import TiledHead

__all__ = ["DenseHead", "FusedSGD", "Head", "TiledHead", "class_range", "step_together"]
