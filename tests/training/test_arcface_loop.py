"""The loop that `scripts/bench gpu` measures against computes the same loss as our head."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scripts.benches._arcface_loop import Loop, alone
from training.heads import DenseHead
from training.margins import ArcFace


def test_both_losses_are_arcface() -> None:
    torch.manual_seed(0)
    device = torch.device("cpu")
    labels = torch.tensor([0, 3, 3, 9, 1, 7])
    head = DenseHead(ArcFace(margin_rad=0.5, scale=64.0), 10, 16)
    # Near their classes: the published loop holds every row's loss at 69 (a softmax of at least 1e-30).
    embeddings = head.weight.detach()[labels] + 0.004 * torch.randn(6, 16)
    with alone(device):
        loop = Loop(nn.Linear(2, 2), 10, 16, device, fp16=False)
        with torch.no_grad():
            loop.weight.copy_(head.weight)
            ours = float(head(embeddings, labels))
            assert 0.1 < ours < 60
            assert float(loop.head(embeddings, labels)) == pytest.approx(ours, rel=1e-4)
