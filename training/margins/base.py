"""The interface of a margin: which logits a row of products becomes, and what it needs to know for that.

A head multiplies embeddings x with class vectors w. A margin says in which geometry (`unit_embeddings`,
`unit_classes`), and turns the products p_ij of row i into logits z_ij:

    z_iy = rows.logits_i                      the target: a function of p_iy, |x_i|, |w_y| and running state
    z_ij = others(p_ij, rows)    (j != y)     rows.scale_i * p_ij, except where a margin also changes hard negatives

Nothing else is ever needed, which is why a head may walk the classes in tiles: it computes the B target products first,
calls `observe` (training only; moves running state) and `rows`, and then visits the other classes in any order.

All functions are pure but `observe`, never write to their arguments, and compute in float32 (or float64 if that is what
they get) with autocast off.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Targets:
    """What is known of each row before the other classes are visited.

    Attributes:
        products: (B,) of each embedding with its own class, in the margin's geometry: cosines if both sides are unit.
        norms: (B,) lengths |x| of the embeddings, before any normalisation.
        class_norms: (B,) lengths |w_y| of the class vectors, before any normalisation.
    """

    products: Tensor
    norms: Tensor
    class_norms: Tensor


@dataclass(frozen=True, slots=True)
class Rows:
    """What a margin decided for each row.

    Attributes:
        logits: (B,) target logits.
        scale: (B,) factor from the product with another class to its logit.
        hard_above: (B,) products above this are hard negatives (CurricularFace); None: no class is special.
        penalty: (B,) to be added to each row's loss (MagFace); None: nothing.
    """

    logits: Tensor
    scale: Tensor
    hard_above: Tensor | None = None
    penalty: Tensor | None = None


def full_precision(values: Tensor) -> Tensor:
    """Half precisions become float32; float32 and float64 stay."""
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


class Margin(nn.Module):
    """Base: the plain softmax over scaled products; a margin overrides `rows`, seldom `others` and `slopes`.

    Attributes:
        unit_embeddings: Products are taken with x/|x|.
        unit_classes: Products are taken with w/|w|.
        centres: Class vectors per class; the product is the largest of them (sub-centre ArcFace).
    """

    unit_embeddings = True
    unit_classes = True
    centres = 1

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = float(scale)

    def observe(self, targets: Targets) -> None:
        """Moves running state by one global batch; called once per training step, before `rows`."""

    def rows(self, targets: Targets) -> Rows:
        """Target logits and scales of a batch.

        Args:
            targets: Products and norms of the batch, float32 or float64.
        """
        return Rows(targets.products * self.scale, self.scales(targets))

    def scales(self, targets: Targets) -> Tensor:
        """(B,) the constant scale of every row."""
        return torch.full_like(targets.products, self.scale, requires_grad=False)

    def others(self, products: Tensor, rows: Rows) -> Tensor:
        """Logits (B, T) of non-target classes from their products (B, T)."""
        return products * rows.scale[:, None]

    def slopes(self, products: Tensor, rows: Rows) -> Tensor | None:  # noqa: ARG002
        """Derivatives (B, T) of `others` by the products; None where they are `rows.scale` throughout."""
        return None

    def forward(
        self, products: Tensor, labels: Tensor, norms: Tensor | None = None, class_norms: Tensor | None = None
    ) -> Tensor:
        """Logits of a whole batch: the margin as a plain function of products and labels.

        Args:
            products: (B, C) any floating dtype, in the margin's geometry (cosines in [-1, 1] if both sides are unit).
            labels: (B,) int64 in [0, C).
            norms: (B,) lengths of the embeddings; ones if left out.
            class_norms: (B,) lengths of the target class vectors; ones if left out.

        Returns:
            (B, C) logits, float32 (float64 for float64 products). `rows(...).penalty` is not in them.
        """
        with torch.autocast(products.device.type, enabled=False):
            products = full_precision(products)
            target = products.gather(1, labels[:, None])[:, 0]
            ones = torch.ones_like(target)
            targets = Targets(
                target,
                ones if norms is None else full_precision(norms),
                ones if class_norms is None else full_precision(class_norms),
            )
            rows = self.rows(targets)
            return self.others(products, rows).scatter(1, labels[:, None], rows.logits[:, None])
