"""What every term's test uses."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def embeddings() -> tuple[Tensor, Tensor]:
    """Embeddings (12, 4) float64 and labels below 5, in which classes come up to four times."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(12, 4, generator=generator, dtype=torch.float64)
    return x, torch.tensor([0, 1, 2, 0, 3, 0, 2, 1, 4, 0, 2, 1])


def check_term(term: nn.Module) -> None:
    """True gradients in float64, and finite float32 values and gradients for half precision under autocast."""
    x, labels = embeddings()
    still = copy.deepcopy(term).double().eval()
    assert torch.autograd.gradcheck(lambda x: still(x, labels), (x.clone().requires_grad_(),))
    single = copy.deepcopy(term).float().eval()
    for dtype in (torch.float16, torch.bfloat16):
        half = x.to(dtype).requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = single(half, labels)
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, single(half.detach().float(), labels))
        loss.backward()
        assert half.grad is not None
        assert bool(half.grad.isfinite().all())
