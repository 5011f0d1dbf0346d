"""What every margin's test uses: seeded cosines, and a slow softmax over logits made one by one with math."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from training.margins import Margin

B, C = 6, 9


def batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Float64 products (6, 9) over (-1, 1), labels, norms and class norms; targets from nearly -1 to nearly 1."""
    generator = torch.Generator().manual_seed(seed)
    products = torch.rand(B, C, generator=generator, dtype=torch.float64) * 1.9 - 0.95
    labels = torch.tensor([0, 3, 8, 3, 5, 1])
    products[range(B), labels] = torch.tensor([-0.97, -0.6, -0.1, 0.3, 0.75, 0.98], dtype=torch.float64)
    norms = torch.tensor([3.0, 12.0, 20.0, 25.0, 60.0, 140.0], dtype=torch.float64)
    class_norms = torch.tensor([0.5, 1.0, 1.5, 1.0, 2.0, 0.8], dtype=torch.float64)
    return products, labels, norms, class_norms


def slow_logits(target: Callable[[float, int], float], other: Callable[[float, int], float], seed: int = 0) -> Tensor:
    """Logits one by one; `target` and `other` get (product, row)."""
    products, labels, _, _ = batch(seed)
    return torch.tensor(
        [[(target if j == labels[i] else other)(float(products[i, j]), i) for j in range(C)] for i in range(B)],
        dtype=torch.float64,
    )


def slow_psi(theta: float, multiple: float) -> float:
    """(−1)^k cos(mθ) − 2k for the k with mθ in [kπ, (k+1)π]."""
    k = 0
    while multiple * theta > (k + 1) * math.pi:
        k += 1
    return (-1) ** k * math.cos(multiple * theta) - 2 * k


def arc(cosine: float, margin_rad: float) -> float:
    """cos(θ + m) up to π, cos θ − m sin m beyond."""
    theta = math.acos(cosine)
    if theta + margin_rad < math.pi:
        return math.cos(theta + margin_rad)
    return cosine - margin_rad * math.sin(margin_rad)


def check(margin: Margin, expected: Tensor, seed: int = 0) -> None:
    """The margin's logits are the oracle's, in float64 and to rounding in float32, and nothing was written to."""
    products, labels, norms, class_norms = batch(seed)
    before = [part.clone() for part in (products, norms, class_norms)]
    torch.testing.assert_close(margin(products, labels, norms, class_norms), expected, rtol=1e-9, atol=1e-9)
    single = margin(products.float(), labels, norms.float(), class_norms.float())
    torch.testing.assert_close(single, expected.float(), rtol=2e-5, atol=2e-4)
    for part, old in zip((products, norms, class_norms), before, strict=True):
        assert torch.equal(part, old)
