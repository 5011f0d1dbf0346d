from __future__ import annotations

from margin_checks import check, slow_logits

from training.margins import NormFace


def test_scales_every_cosine() -> None:
    check(NormFace(30.0), slow_logits(lambda p, i: 30 * p, lambda p, i: 30 * p))
