from __future__ import annotations

import itertools
import math

import pytest
import torch
from term_checks import check_term, embeddings

from training.margins import ContrastiveLoss


@pytest.mark.parametrize("margin", [0.5, 3.0])
def test_against_a_loop(margin: float) -> None:
    x, labels = embeddings()
    terms = []
    for i, j in itertools.combinations(range(len(x)), 2):
        distance = math.dist(x[i].tolist(), x[j].tolist())
        terms.append(0.5 * (distance if labels[i] == labels[j] else max(0.0, margin - distance)) ** 2)
    term = ContrastiveLoss(margin, weight=0.3)
    torch.testing.assert_close(term(x, labels), torch.tensor(0.3 * sum(terms) / len(terms), dtype=torch.float64))
    check_term(term)


def test_coinciding_embeddings_have_a_gradient_and_one_alone_has_no_pair() -> None:
    x = torch.ones(3, 4, requires_grad=True)
    term = ContrastiveLoss()
    term(x, torch.tensor([0, 0, 1])).backward()
    assert bool(x.grad.isfinite().all())
    assert float(term(x[:1], torch.tensor([0])).detach()) == 0
