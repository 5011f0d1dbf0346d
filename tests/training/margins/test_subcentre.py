from __future__ import annotations

import math

import torch
from margin_checks import arc, check, slow_logits

from training.heads import DenseHead
from training.margins import SubcentreArcFace


def test_is_arcface_once_the_centre_is_chosen() -> None:
    check(SubcentreArcFace(0.4, 32.0, 2), slow_logits(lambda c, i: 32 * arc(c, 0.4), lambda c, i: 32 * c))


def test_the_head_takes_the_nearest_centre() -> None:
    generator = torch.Generator().manual_seed(0)
    head = DenseHead(SubcentreArcFace(0.4, 32.0, centres=3), 5, 4).double()
    with torch.no_grad():
        head.weight.normal_(generator=generator)
    x = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 4, 0, 2])
    total = 0.0
    for i in range(7):
        logits = []
        for j in range(5):
            rows = head.weight.detach()[3 * j : 3 * j + 3]
            cosine = max(float(x[i] @ w / x[i].norm() / w.norm()) for w in rows)
            logits.append(32 * (arc(cosine, 0.4) if j == labels[i] else cosine))
        total += math.log(sum(math.exp(z) for z in logits)) - logits[int(labels[i])]
    torch.testing.assert_close(head(x, labels), torch.tensor(total / 7, dtype=torch.float64))
