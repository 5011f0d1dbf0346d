from __future__ import annotations

from margin_checks import check, slow_logits

from training.margins import Softmax


def test_is_the_products() -> None:
    check(Softmax(), slow_logits(lambda p, i: p, lambda p, i: p))
