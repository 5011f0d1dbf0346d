"""The class matrix, walked in tiles: softmax statistics and gradients without the (B, C) logits.

Forward is the online softmax (Milakov and Gimelshein, 2018, arXiv:1805.02867) with, as in FlashAttention (Dao et al.,
2022, arXiv:2205.14135), the sum of the values taken along: here the values are the class vectors themselves, and the
sum is the gradient to the embeddings. The target is left out of the walk; it has a logit of its own.

B is the number of embeddings (of all ranks), T of classes in a tile, K of centres per class, D of dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from training.margins import Margin
from training.margins.base import Rows


@dataclass(frozen=True, slots=True)
class Batch:
    """A global batch as the walk sees it; nothing in it belongs to a graph.

    Attributes:
        query: (B, D) embeddings in the margin's geometry.
        targets: (B,) int64 class of each row relative to this rank's first, -1 where another rank holds it.
        rows: The margin's decisions.
        taken: (n,) int64 ascending, the classes that take part (PartialFC); None: all.
    """

    query: Tensor
    targets: Tensor
    rows: Rows
    taken: Tensor | None


@dataclass(frozen=True, slots=True)
class Slope:
    """What the class gradient is made of, once the softmax is known; all (B,), already times the incoming gradient.

    Attributes:
        total: log of the sum of the exponentials of all logits, the target's included.
        factor: The incoming gradient.
        target: Derivative of the loss by the target's product.
        class_norm: Derivative by |w_y|; None for margins that do not use it.
    """

    total: Tensor
    factor: Tensor
    target: Tensor
    class_norm: Tensor | None

    def times(self, scale: float | Tensor) -> Slope:
        """All derivatives times a number, or (B,) numbers."""
        class_norm = None if self.class_norm is None else self.class_norm * scale
        return Slope(self.total, self.factor * scale, self.target * scale, class_norm)


@dataclass(frozen=True, slots=True)
class Sums:
    """Statistics over the classes of this rank but the targets.

    Attributes:
        top: (B,) largest logit seen (finite even where no class was).
        weight: (B,) sum of exp(z_ij - top_i).
        vectors: (B, D) sum of exp(z_ij - top_i) dz_ij/dp_ij v_j, v being the class vectors in the margin's geometry.
        products: (B,) sum of exp(z_ij - top_i) p_ij; zero unless it was asked for.
    """

    top: Tensor
    weight: Tensor
    vectors: Tensor
    products: Tensor


@dataclass(frozen=True, slots=True)
class Tile:
    """Some classes of this rank.

    Attributes:
        classes: (T,) int64 relative to this rank's first class; or the slice of them.
        vectors: (T K, D) class vectors; a view of the weights unless the tile was gathered.
        inverse_norms: (T K,) 1/|w|; None if the margin takes free class vectors. Products are scaled by them, which is
            cheaper than to make the vectors unit.
    """

    classes: Tensor | slice
    vectors: Tensor
    inverse_norms: Tensor | None


class Walk:
    """Walks a rank's class vectors.

    Args:
        weight: (C K, D).
        margin: Geometry, centres and logits.
        tile: Classes in a tile.
        product_dtype: In which the products with other classes are taken; None: that of the weights.
    """

    def __init__(self, weight: Tensor, margin: Margin, tile: int, product_dtype: torch.dtype | None = None) -> None:
        self.weight, self.margin, self.tile, self.product_dtype = weight, margin, tile, product_dtype
        self.centres = margin.centres

    def tiles(self, taken: Tensor | None) -> Iterator[Tile]:
        """The classes in `taken`, or all, in order."""
        count = len(self.weight) // self.centres if taken is None else len(taken)
        for start in range(0, count, self.tile):
            stop = min(start + self.tile, count)
            classes = slice(start, stop) if taken is None else taken[start:stop]
            vectors = self.weight[self.rows_of(classes)]
            norms = torch.linalg.vector_norm(vectors, dim=1) if self.margin.unit_classes else None
            yield Tile(classes, vectors, None if norms is None else norms.clamp_min_(1e-12).reciprocal_())

    def rows_of(self, classes: Tensor | slice) -> Tensor | slice:
        """Rows of the weights that hold these classes."""
        if isinstance(classes, slice):
            return slice(classes.start * self.centres, classes.stop * self.centres)
        if self.centres == 1:
            return classes
        return (classes[:, None] * self.centres + torch.arange(self.centres, device=classes.device)).flatten()

    def forward(self, batch: Batch, *, scale_varies: bool) -> Sums:
        """Softmax statistics of a batch, and the sums its embeddings' gradient is made of.

        Args:
            batch: The global batch.
            scale_varies: Whether the gradient by `rows.scale` is wanted, for which `Sums.products` are needed.
        """
        query = batch.query
        top = query.new_full((len(query),), torch.finfo(query.dtype).min)
        weight, products = torch.zeros_like(top), torch.zeros_like(top)
        vectors, straight = torch.zeros_like(query), False
        for tile in self.tiles(batch.taken):
            found, picks = self._products(query, tile)
            logits = self._logits(found, batch, tile)
            higher = torch.maximum(top, logits.amax(dim=1))
            shrink = (top - higher).exp_()
            shares = logits.sub_(higher[:, None]).exp_()
            weight.mul_(shrink).add_(shares.sum(dim=1))
            slopes = self.margin.slopes(found, batch.rows)
            if scale_varies:
                products.mul_(shrink).add_(found.mul_(shares).sum(dim=1))
            if slopes is not None:
                shares.mul_(slopes)
            vectors.mul_(shrink[:, None]).addmm_(self._for_vectors(shares, picks, tile), tile.vectors)
            top = higher
            straight = slopes is None
        if straight:
            vectors.mul_(batch.rows.scale[:, None])
        return Sums(top, weight, vectors, products)

    def gradient(self, batch: Batch, slope: Slope, tile: Tile, *, several: bool = False) -> tuple[Tensor, Tensor]:
        """Of one tile: coefficients A (B, T K) and b (T K,), with which the gradient is AᵀQ + b ∘ W.

        Q is `batch.query`, W are `tile.vectors`. With `several` the tile may hold classes that this batch did not take.
        """
        found, picks = self._products(batch.query, tile)
        logits = self._logits(found, batch, tile)
        shares = logits.sub_(slope.total[:, None]).exp_()
        slopes = self.margin.slopes(found, batch.rows)
        if slopes is None:
            shares.mul_((slope.factor * batch.rows.scale)[:, None])
        else:
            shares.mul_(slopes).mul_(slope.factor[:, None])
        inside, columns = self._columns(batch, tile)
        own = shares.gather(1, columns)
        shares.scatter_(1, columns, torch.where(inside, slope.target[:, None], own))
        if several and batch.taken is not None and isinstance(tile.classes, Tensor):
            near = torch.searchsorted(batch.taken, tile.classes).clamp_max_(len(batch.taken) - 1)
            shares.mul_(batch.taken[near] == tile.classes)
        return self._with_norms(shares, found, picks, tile, slope, inside, columns)

    def _with_norms(
        self,
        shares: Tensor,
        products: Tensor,
        picks: Tensor | None,
        tile: Tile,
        slope: Slope,
        inside: Tensor,
        columns: Tensor,
    ) -> tuple[Tensor, Tensor]:
        own = self._spread(shares, picks)
        b = shares.new_zeros(own.shape[1])
        if tile.inverse_norms is not None:
            through = self._spread(products.mul_(shares), picks).sum(dim=0)
            b.addcmul_(through, tile.inverse_norms.square(), value=-1)
            own.mul_(tile.inverse_norms)
        if slope.class_norm is not None:
            rows = columns if picks is None else columns * self.centres + picks.gather(1, columns)
            lengths = torch.linalg.vector_norm(tile.vectors, dim=1).clamp_min_(1e-12)
            amounts = torch.where(inside, slope.class_norm[:, None] / lengths[rows], 0.0)
            b.index_add_(0, rows[:, 0], amounts[:, 0])
        return own, b

    def _products(self, query: Tensor, tile: Tile) -> tuple[Tensor, Tensor | None]:
        """(B, T) products in the margin's geometry, and (B, T) which centre gave them."""
        if self.product_dtype is None:
            products = query @ tile.vectors.T
        else:
            products = (query.to(self.product_dtype) @ tile.vectors.to(self.product_dtype).T).to(query.dtype)
        if tile.inverse_norms is not None:
            products.mul_(tile.inverse_norms)
        if self.centres == 1:
            return products, None
        best = products.view(len(query), -1, self.centres).max(dim=2)
        return best.values, best.indices

    def _logits(self, products: Tensor, batch: Batch, tile: Tile) -> Tensor:
        """(B, T) logits, -inf at the targets."""
        logits = self.margin.others(products, batch.rows)
        inside, columns = self._columns(batch, tile)
        own = logits.gather(1, columns)
        return logits.scatter_(1, columns, torch.where(inside, -torch.inf, own))

    def _columns(self, batch: Batch, tile: Tile) -> tuple[Tensor, Tensor]:
        """(B, 1) whether the row's target is in the tile, and (B, 1) its column (any, if not)."""
        if isinstance(tile.classes, slice):
            columns, count = batch.targets - tile.classes.start, tile.classes.stop - tile.classes.start
            inside = (columns >= 0) & (columns < count) & (batch.targets >= 0)
        else:
            count = len(tile.classes)
            columns = torch.searchsorted(tile.classes, batch.targets).clamp_max_(count - 1)
            inside = tile.classes[columns] == batch.targets
        return inside[:, None], columns.clamp(0, count - 1)[:, None]

    def _spread(self, values: Tensor, picks: Tensor | None) -> Tensor:
        """(B, T) per class to (B, T K) per vector: at the centre that gave the product, else 0."""
        if picks is None:
            return values
        spread = values.new_zeros((*values.shape, self.centres))
        return spread.scatter_(2, picks[:, :, None], values[:, :, None]).flatten(1)

    def _for_vectors(self, shares: Tensor, picks: Tensor | None, tile: Tile) -> Tensor:
        """(B, T K) coefficients of the class vectors as they are, from (B, T) of those in the margin's geometry."""
        shares = self._spread(shares, picks)
        return shares if tile.inverse_norms is None else shares.mul_(tile.inverse_norms)
