"""Learning rates as a pure function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math
from typing import Literal

Decay = Literal["constant", "polynomial", "cosine"]


def learning_rate(
    step: int,
    steps: int,
    *,
    peak: float,
    final: float = 0.0,
    warmup: int = 0,
    decay: Decay = "polynomial",
    power: float = 2.0,
) -> float:
    """The rate of one step.

    Linear warm-up to `peak` over the first `warmup` steps (Goyal et al., 2017, arXiv:1706.02677, 2.2), then from `peak`
    to `final`: polynomial, `(1 - t)^power` (power 2 is arcface_torch's), or cosine (Loshchilov and Hutter, 2017,
    arXiv:1608.03983, eq. 5), t in [0, 1) running over the steps that are left.

    Args:
        step: From 0.
        steps: Of the whole run.
        peak: Highest rate.
        final: Rate that is approached at the end.
        warmup: Steps of warm-up.
        decay: Shape after it.
        power: Of the polynomial.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    t = (step - warmup) / max(1, steps - warmup)
    if decay == "constant":
        return peak
    factor = (1 - t) ** power if decay == "polynomial" else (1 + math.cos(math.pi * t)) / 2
    return final + (peak - final) * factor
