from __future__ import annotations

import pytest
import torch
from term_checks import check_term, embeddings

from training.margins import TripletLoss


@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_against_a_loop(margin: float) -> None:
    x, labels = embeddings()
    x[3] = -x[0]  # of one subject, and nothing is farther
    unit, terms, kinds = [row / row.norm() for row in x], [], set()
    for a in range(len(x)):
        away = [float((unit[a] - other).square().sum()) for other in unit]
        negatives = [away[n] for n in range(len(x)) if labels[n] != labels[a]]
        for p in range(len(x)):
            if p == a or labels[p] != labels[a]:
                continue
            semi_hard = [distance for distance in negatives if distance > away[p]]
            kinds.add(bool(semi_hard))
            terms.append(max(0.0, away[p] - (min(semi_hard) if semi_hard else max(negatives)) + margin))
    assert kinds == {True, False}
    term = TripletLoss(margin, weight=0.5)
    torch.testing.assert_close(term(x, labels), torch.tensor(0.5 * sum(terms) / len(terms), dtype=torch.float64))
    check_term(term)


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 0, 0]])
def test_without_a_triplet_it_is_nought(labels: list[int]) -> None:
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = TripletLoss()(x, torch.tensor(labels))
    loss.backward()
    assert float(loss.detach()) == 0
    assert float(x.grad.abs().max()) == 0
