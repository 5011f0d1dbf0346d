from __future__ import annotations

import torch
from term_checks import check_term, embeddings

from training.margins import RingLoss


def test_against_a_loop() -> None:
    x, labels = embeddings()
    term = RingLoss(weight=0.3, radius=2.0).double()
    expected = sum(0.3 / 2 * (float(row @ row) ** 0.5 - 2.0) ** 2 for row in x) / len(x)
    torch.testing.assert_close(term(x, labels).detach(), torch.tensor(expected, dtype=torch.float64))
    check_term(term)


def test_the_radius_is_learnt() -> None:
    x, labels = embeddings()
    term = RingLoss(radius=0.0).double()
    optimizer = torch.optim.SGD(term.parameters(), lr=100.0)
    for _ in range(50):
        optimizer.zero_grad()
        term(x, labels).backward()
        optimizer.step()
    torch.testing.assert_close(term.radius.detach(), x.norm(dim=1).mean())
