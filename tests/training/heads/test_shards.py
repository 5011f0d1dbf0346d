from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from training.heads.shards import BLOCK, class_range, initial_rows


@given(st.integers(1, 5000), st.integers(1, 9))
def test_every_class_has_one_rank(num_classes: int, ranks: int) -> None:
    parts = [class_range(num_classes, rank, ranks) for rank in range(ranks)]
    assert [c for part in parts for c in part] == list(range(num_classes))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_initial_values_do_not_depend_on_the_ranks() -> None:
    num_classes = 2 * BLOCK + 100
    whole = initial_rows(range(num_classes), 2, 4, seed=7)
    for ranks in (2, 3):
        parts = [initial_rows(class_range(num_classes, rank, ranks), 2, 4, seed=7) for rank in range(ranks)]
        assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(initial_rows(range(num_classes), 2, 4, seed=8), whole)
    assert abs(float(whole.std()) - 0.01) < 2e-4
    assert len(whole.unique(dim=0)) == 2 * num_classes
