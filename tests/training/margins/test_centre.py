from __future__ import annotations

import torch
from term_checks import check_term, embeddings

from training.margins import CentreLoss


def test_loss_and_centres_against_a_loop() -> None:
    x, labels = embeddings()
    term = CentreLoss(5, 4, weight=0.1, rate=0.5).double()
    centres = torch.zeros(5, 4, dtype=torch.float64)
    for _ in range(3):
        expected = sum(
            0.1 / 2 * float((row - centres[label]).square().sum()) for row, label in zip(x, labels, strict=True)
        )
        torch.testing.assert_close(term(x, labels), torch.tensor(expected / len(x), dtype=torch.float64))
        moved = centres.clone()
        for j in range(5):
            mine = x[labels == j]
            moved[j] -= 0.5 * (centres[j] - mine).sum(dim=0) / (1 + len(mine))
        centres = moved
        torch.testing.assert_close(term.centres, centres)


def test_evaluation_leaves_the_centres() -> None:
    term = CentreLoss(5, 4).double().eval()
    term(*embeddings())
    assert float(term.centres.abs().max()) == 0
    check_term(term)
