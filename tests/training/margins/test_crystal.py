from __future__ import annotations

from margin_checks import check, slow_logits

from training.margins import Crystal


def test_scales_every_product() -> None:
    margin = Crystal(16.0)
    assert margin.unit_embeddings
    assert not margin.unit_classes
    check(margin, slow_logits(lambda p, i: 16 * p, lambda p, i: 16 * p))
