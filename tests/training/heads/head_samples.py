"""Seeded embeddings, and heads with class vectors that are neither unit nor tiny."""

from __future__ import annotations

import torch
from torch import Tensor

from training.heads import Head

C, D, B = 37, 16, 8


def sample(batch: int = B, seed: int = 0, num_classes: int = C) -> tuple[Tensor, Tensor]:
    """Embeddings (batch, 16) float64 with lengths from 5 to 60, and labels in which one class comes twice."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, D, generator=generator, dtype=torch.float64)
    x = x * torch.linspace(1, 15, batch, dtype=torch.float64)[:, None]
    labels = torch.randint(num_classes, (batch,), generator=generator)
    labels[-1] = labels[0]
    return x, labels


def spread(head: Head, scale: float = 50.0) -> Head:
    """The head in float64, its class vectors 50 times longer: lengths about 2."""
    head = head.double()
    with torch.no_grad():
        head.weight.mul_(scale)
    return head


def loss_and_gradients(head: Head, x: Tensor, labels: Tensor) -> list[Tensor]:
    """Loss, gradient to the embeddings, gradient of the class vectors."""
    x = x.clone().requires_grad_()
    loss = head(x, labels)
    return [loss.detach(), *torch.autograd.grad(loss, (x, head.weight))]
