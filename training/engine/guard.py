"""When the loss or the gradients are no longer finite: which tensor is to blame, in one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from pipeline.errors import DivergedError


def diverged(
    what: str, *, step: int, rate: float, scale: float, suspects: Iterable[tuple[str, Tensor]]
) -> DivergedError:
    """The error to raise.

    Args:
        what: What is not finite, or has gone wrong.
        step: The step, from 0.
        rate: Its learning rate.
        scale: Its loss scale; 1 without scaling.
        suspects: Names and tensors in the order in which the step computes them; the first that is not finite is named.
    """
    where = "every weight, activation and gradient that was kept is finite"
    for name, tensor in suspects:
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            where = f"the first tensor that is not finite is {name} ({bad} of {tensor.numel()} values)"
            break
    return DivergedError(
        f"step {step}: {what} (learning rate {rate:.3g}, loss scale {scale:g}); {where}; lower the learning rate, "
        "lengthen the warm-up, or train in bf16 or fp32; `--resume` goes on from the last checkpoint"
    )


def suspects(network: nn.Module, head: nn.Module, embeddings: Tensor | None) -> Iterator[tuple[str, Tensor]]:
    """Weights, running statistics, embeddings, class vectors and gradients, in the order of the computation."""
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        yield f"backbone {name}", tensor.detach()
    if embeddings is not None:
        yield "the embeddings", embeddings.detach()
    for name, tensor in (*head.named_parameters(), *head.named_buffers()):
        yield f"head {name}", tensor.detach()
    if embeddings is not None and embeddings.grad is not None:
        yield "the gradient of the embeddings", embeddings.grad
    for name, parameter in reversed(list(network.named_parameters())):
        if parameter.grad is not None:
            yield f"the gradient of backbone {name}", parameter.grad
    for name, parameter in head.named_parameters():
        if parameter.grad is not None:
            yield f"the gradient of head {name}", parameter.grad
