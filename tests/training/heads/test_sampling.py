from __future__ import annotations

import pytest
import torch
from head_samples import C, D, loss_and_gradients, sample, spread

from training.heads import DenseHead, TiledHead
from training.heads.sampling import choose, uniform
from training.heads.shards import class_range
from training.margins import MARGINS, ArcFace

CPU = torch.device("cpu")
MASK = (1 << 64) - 1


def slow_mix(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def test_numbers_are_those_of_splitmix() -> None:
    start = slow_mix((slow_mix(5) + 9) & MASK)
    expected = [(slow_mix((j * 0x9E3779B97F4A7C15 + start) & MASK) >> 40) / 2**24 for j in range(100, 120)]
    assert uniform(range(100, 120), 5, 9, CPU).tolist() == expected
    assert slow_mix(0) == 0xE220A8397B1DCDAF  # the published first output for seed 0


def test_each_class_is_drawn_at_the_rate_and_the_batch_always() -> None:
    positives = torch.tensor([5, 7, 7, 99_999])
    drawn = torch.zeros(100_000)
    for step in range(20):
        taken = choose(range(100_000), positives, rate=0.1, seed=1, step=step)
        assert bool((taken.diff() > 0).all())
        assert len(taken) == pytest.approx(10_000, rel=0.05)
        drawn[taken] += 1
    assert bool((drawn[positives] == 20).all())
    share = torch.bincount(drawn.long(), minlength=21)[:21] / 100_000
    binomial = torch.distributions.Binomial(20, torch.tensor(0.1)).log_prob(torch.arange(21.0)).exp()
    torch.testing.assert_close(share, binomial, rtol=0, atol=0.005)


def test_the_choice_does_not_depend_on_the_ranks() -> None:
    positives = torch.tensor([3, 250_000, 599_999])
    whole = choose(range(600_000), positives, rate=0.2, seed=4, step=11)
    for ranks in (2, 3):
        parts = [class_range(600_000, rank, ranks) for rank in range(ranks)]
        cut = [choose(part, positives, rate=0.2, seed=4, step=11) + part.start for part in parts]
        assert torch.equal(torch.cat(cut), whole)
    assert not torch.equal(choose(range(600_000), positives, rate=0.2, seed=4, step=12), whole)


@pytest.mark.parametrize("name", MARGINS)
def test_is_dense_over_the_chosen_classes(name: str) -> None:
    x, labels = sample()
    head = spread(TiledHead(MARGINS[name](), C, D, seed=2, sample_rate=0.4, tile=3))
    taken = choose(range(C), labels, rate=0.4, seed=2, step=0)
    assert len(set(labels.tolist())) < len(taken) < C
    dense = spread(DenseHead(MARGINS[name](), len(taken), D))
    rows = (taken[:, None] * head.margin.centres + torch.arange(head.margin.centres)).flatten()
    with torch.no_grad():
        dense.weight.copy_(head.weight[rows])
    found, expected = (
        loss_and_gradients(head, x, labels),
        loss_and_gradients(dense, x, torch.searchsorted(taken, labels)),
    )
    torch.testing.assert_close(found[:2], expected[:2], rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(found[2][rows], expected[2], rtol=1e-9, atol=1e-11)
    left = torch.ones(len(head.weight), dtype=torch.bool)
    left[rows] = False
    assert float(found[2][left].abs().max()) == 0
    assert int(head.draws) == 1


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_fused_moves_what_took_part_in_any_of_the_passes(momentum: float) -> None:
    fused, plain = (
        spread(TiledHead(ArcFace(0.3, 8.0), C, D, seed=2, sample_rate=0.3, fused=fused, tile=4))
        for fused in (True, False)
    )
    optimizer, before = fused.sgd(0.5, momentum=momentum, weight_decay=0.01), plain.weight.detach().clone()
    took = torch.zeros(C, dtype=torch.bool)
    for part in range(3):
        x, labels = sample(seed=part)
        for head in (fused, plain):
            (head(x.requires_grad_(), labels) / 3).backward()
        took[choose(range(C), labels, rate=0.3, seed=2, step=part)] = True
    optimizer.step()
    assert 0 < int(took.sum()) < C
    expected = before - 0.5 * (plain.weight.grad + 0.01 * before)
    expected[~took] = before[~took]
    torch.testing.assert_close(fused.weight.detach(), expected, rtol=1e-9, atol=1e-11)


def test_evaluation_takes_every_class() -> None:
    x, labels = sample()
    part, whole = (spread(TiledHead(ArcFace(), C, D, seed=2, sample_rate=rate)).eval() for rate in (0.2, 1.0))
    assert torch.equal(part(x, labels), whole(x, labels))
    assert int(part.draws) == 0
