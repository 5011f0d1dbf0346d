"""The head that never forms the (B, C) logits; also PartialFC, classes divided over ranks, and the fused update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pipeline.errors import ConfigError
from training.heads.base import Head
from training.heads.collective import Group, gather, largest, ranks, total
from training.heads.fused import FusedSGD
from training.heads.sampling import choose
from training.heads.walk import Batch, Slope, Walk
from training.margins import Margin, Targets
from training.margins.base import Rows


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Derivatives of each row's loss, (B, ...) over the global batch."""

    query: Tensor
    norms: Tensor
    slope: Slope


class TiledHead(Head):
    """Walks the classes in tiles; loss and gradients are those of `DenseHead`, to rounding, for every margin.

    Memory beyond weights and optimiser, in bytes: 4 (C/R) K D for the gradient of the class vectors (none if
    `fused`), and about 4 T (K D + 4 B) for a tile, where B is the global batch and R the number of ranks. Four matrix
    products of B x C x D: two going forward (logits, and the gradient to the embeddings with them), two for the
    gradient of the classes.

    With a group, the classes are divided over its ranks; each sees the embeddings of all. What a rank's loss gives to
    its embeddings is right once the gradients of the backbone are averaged over the ranks (DDP does), and the
    gradient of its shard is right as it is, that of the mean loss of the global batch.

    With `sample_rate` < 1 it is PartialFC (An et al., 2020, arXiv:2010.05222; 2022, arXiv:2203.15565): in a training
    step the softmax runs over the classes of the batch and a random part of the others, and only those move. The loss
    is then another, smaller one: of the denominator's other classes a share of (1 - rate) is missing, uncorrected, as
    in the papers. Every class is drawn on its own with probability `sample_rate`, from seed, step and its number
    alone; the papers draw a fixed count per rank. In evaluation all classes take part.

    Args:
        margin: Any of training.margins.
        num_classes: C, over all ranks.
        dimension: D.
        sample_rate: Share of the classes in a training step, in (0, 1].
        fused: The class gradient is never formed; `sgd()` makes the optimiser.
        tile: T; None: as many classes as make 4 T max(B, D) bytes 2 MB (256 on CUDA), at least 256.
        product_dtype: Takes the products with the other classes in this precision (bfloat16, float16); the statistics
            stay float32. None: float32. On CUDA `torch.set_float32_matmul_precision("high")` is the gentler choice.
        seed: Of initial values and sampling.
        group: The ranks that divide the classes; None: a single process.
        device: Where the class vectors are made.
    """

    draws: Tensor

    def __init__(
        self,
        margin: Margin,
        num_classes: int,
        dimension: int,
        *,
        sample_rate: float = 1.0,
        fused: bool = False,
        tile: int | None = None,
        product_dtype: torch.dtype | None = None,
        seed: int = 0,
        group: Group | None = None,
        device: torch.device | None = None,
    ) -> None:
        if not 0 < sample_rate <= 1:
            raise ConfigError(f"the head's sample rate is {sample_rate}: it must be above 0 and at most 1")
        if num_classes < ranks(group)[1]:
            raise ConfigError(f"{num_classes} classes cannot be divided over {ranks(group)[1]} ranks: use fewer ranks")
        super().__init__(margin, num_classes, dimension, seed=seed, group=group, sharded=True, device=device)
        self.sample_rate, self.fused, self.tile, self.product_dtype = sample_rate, fused, tile, product_dtype
        self.register_buffer("draws", torch.zeros((), dtype=torch.int64, device=device))
        self.pending: list[tuple[Batch, Slope]] = []

    def sgd(self, lr: float, *, momentum: float = 0.0, weight_decay: float = 0.0) -> FusedSGD:
        """The optimiser of a fused head; see `FusedSGD`."""
        return FusedSGD(self, lr=lr, momentum=momentum, weight_decay=weight_decay)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of this rank's batch.

        Args:
            embeddings: (B, D) any floating dtype, under autocast or not; B alike on all ranks.
            labels: (B,) int64 in [0, num_classes).
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            query, norms = self.geometry(embeddings)
            parts = query.to(self.weight.dtype), norms.to(self.weight.dtype)
            losses: Tensor = _TiledLoss.apply(*parts, self.weight, labels, self, torch.is_grad_enabled())
            return losses.mean()

    def walk(self, rows: int) -> Walk:
        """A walk over this rank's classes for a batch of so many rows."""
        budget = 256 << 20 if self.weight.is_cuda else 2 << 20
        tile = self.tile or max(256, budget // (4 * max(rows, self.dimension) * self.margin.centres))
        return Walk(self.weight.detach(), self.margin, tile, self.product_dtype)

    def losses(self, query: Tensor, norms: Tensor, labels: Tensor) -> tuple[Tensor, Batch, Derivatives]:
        """Losses (B,) of the global batch with their derivatives; all arguments are the global batch's."""
        targets, vectors, found = self._targets(query, norms, labels)
        self.observe(found)
        leaves = [part.clone().requires_grad_() for part in (found.products, found.norms, found.class_norms)]
        with torch.enable_grad():
            rows = self.margin.rows(Targets(*leaves))
        batch = Batch(query, targets, _detached(rows), self._taken(labels))
        sums = self.walk(len(query)).forward(batch, scale_varies=rows.scale.requires_grad)
        top = largest(sums.top.clone(), self.group)
        shrink = (sums.top - top).exp_()
        weight, products = total(torch.stack([sums.weight, sums.products]) * shrink, self.group)
        others = weight.log() + top
        everything = torch.logaddexp(others, batch.rows.logits)
        losses = torch.nn.functional.softplus(others - batch.rows.logits)
        shrink = shrink * (top - everything).exp_()
        by_scale = products * (top - everything).exp_()
        by_product, by_norm, by_class_norm = _through(rows, leaves, (others - everything).exp_().neg_(), by_scale)
        by_query = sums.vectors.mul_(shrink[:, None]).addcmul_(vectors, (by_product * (targets >= 0))[:, None])
        if rows.penalty is not None:
            losses = losses + rows.penalty.detach()
        uses_class_norm = not self.margin.unit_classes and bool(by_class_norm.any())
        slope = Slope(everything, torch.ones_like(everything), by_product, by_class_norm if uses_class_norm else None)
        return losses, batch, Derivatives(total(by_query, self.group), by_norm, slope)

    def _targets(self, query: Tensor, norms: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Targets]:
        """Targets (B,) relative to this rank, their vectors (B, D) in the margin's geometry, what the margin sees."""
        here = (labels >= self.classes.start) & (labels < self.classes.stop)
        targets = torch.where(here, labels - self.classes.start, -1)
        centres = self.weight.detach().view(len(self.classes), -1, self.dimension)[targets.clamp_min(0)]
        vectors = self._nearest(centres, query)
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        if self.margin.unit_classes:
            vectors = vectors / lengths.clamp_min(1e-12)[:, None]
        both = torch.stack([_row_by_row(query, vectors), lengths])
        products, class_norms = total(both * here, self.group)
        return targets, vectors, Targets(products, norms, class_norms)

    def _nearest(self, centres: Tensor, query: Tensor) -> Tensor:
        """(B, K, D) centres to the (B, D) with the largest product."""
        if centres.shape[1] == 1:
            return centres[:, 0]
        unit = torch.nn.functional.normalize(centres, dim=2) if self.margin.unit_classes else centres
        best = torch.einsum("bkd,bd->bk", unit, query).argmax(dim=1)
        return centres[torch.arange(len(query), device=query.device), best]

    def _taken(self, labels: Tensor) -> Tensor | None:
        if self.sample_rate == 1 or not self.training:
            return None
        step = int(self.draws)
        self.draws += 1
        return choose(self.classes, labels, rate=self.sample_rate, seed=self.seed, step=step)


class _TiledLoss(torch.autograd.Function):
    """Losses (B,) of this rank's rows; see `TiledHead`."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, norms: Tensor, weight: Tensor, labels: Tensor, head: TiledHead, wanted: bool
    ) -> Tensor:
        parts = [gather(part, head.group) for part in (query, norms, labels)]
        losses, batch, derivatives = head.losses(*parts)
        rank, _ = ranks(head.group)
        mine = slice(rank * len(query), (rank + 1) * len(query))
        if wanted:
            ctx.save_for_backward(weight)
            ctx.head, ctx.batch, ctx.slope = head, batch, derivatives.slope
            ctx.by_query, ctx.by_norm = derivatives.query[mine], derivatives.norms[mine]
        return losses[mine]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors  # also finds out if it was changed since
        head: TiledHead = ctx.head
        with torch.autocast(factor.device.type, enabled=False):
            everywhere = gather(factor.contiguous(), head.group) / ranks(head.group)[1]
            slope: Slope = ctx.slope.times(everywhere)
            by_weight = None
            if head.fused:
                head.pending.append((ctx.batch, slope))
            elif ctx.needs_input_grad[2]:
                by_weight = _class_gradient(head, weight, ctx.batch, slope)
            return ctx.by_query * factor[:, None], ctx.by_norm * factor, by_weight, None, None, None


def _class_gradient(head: TiledHead, weight: Tensor, batch: Batch, slope: Slope) -> Tensor:
    gradient = torch.empty_like(weight) if batch.taken is None else torch.zeros_like(weight)
    walk = head.walk(len(batch.query))
    for tile in walk.tiles(batch.taken):
        coefficients, by_row = walk.gradient(batch, slope, tile)
        values = (tile.vectors * by_row[:, None]).addmm_(coefficients.T, batch.query)
        gradient[walk.rows_of(tile.classes)] = values
    return gradient


def _row_by_row(a: Tensor, b: Tensor) -> Tensor:
    """(B,) products of the rows of two (B, D), rounded as a matrix product rounds them, like those of the tiles."""
    return torch.cat([(x @ y.T).diagonal() for x, y in zip(torch.split(a, 128), torch.split(b, 128), strict=True)])


def _detached(rows: Rows) -> Rows:
    border = None if rows.hard_above is None else rows.hard_above.detach()
    return Rows(rows.logits.detach(), rows.scale.detach(), border)


def _through(rows: Rows, leaves: list[Tensor], by_logit: Tensor, by_scale: Tensor) -> list[Tensor]:
    """Derivatives of each row's loss by target product, |x| and |w_y|, through the margin's own graph."""
    outputs, seeds = [rows.logits], [by_logit]
    if rows.scale.requires_grad:
        outputs.append(rows.scale)
        seeds.append(by_scale)
    if rows.penalty is not None:
        outputs.append(rows.penalty)
        seeds.append(torch.ones_like(rows.penalty))
    return list(torch.autograd.grad(outputs, leaves, seeds, materialize_grads=True))
