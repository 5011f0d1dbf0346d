from __future__ import annotations

from margin_checks import check, slow_logits

from training.margins import CosFace


def test_takes_the_margin_from_the_target() -> None:
    check(CosFace(0.35, 64.0), slow_logits(lambda c, i: 64 * (c - 0.35), lambda c, i: 64 * c))
