"""Errors of presentation attack detection (ISO/IEC 30107-3): pure functions of liveness scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.types import F64

_CLOSEST = 1e-6


def apcer(attacks: F64, threshold: float) -> float:
    """Share of attack presentations of one kind that are taken for live: score >= threshold.

    Args:
        attacks: (N,) scores; -inf where no face was found, which is no success for the attacker.
        threshold: A face is live iff its score reaches it.
    """
    return float(np.mean(np.asarray(attacks, np.float64) >= threshold))


def bpcer(live: F64, threshold: float) -> float:
    """Share of live presentations that are taken for an attack.

    Args:
        live: (N,) scores; -inf where no face was found: that person is turned away as well.
        threshold: As in `apcer`.
    """
    return float(np.mean(np.asarray(live, np.float64) < threshold))


def balanced_threshold(live: F64, attacks: Mapping[str, F64]) -> tuple[float, float]:
    """The threshold at which the larger of BPCER and the worst kind's APCER is smallest.

    Where a whole range of thresholds is as good, the middle of its widest gap between two scores, in log odds: scores
    near 0 and 1 differ by factors. It is fitted to these presentations, so its rates must be measured on others.

    Args:
        live: (N,) scores in [0, 1], or -inf.
        attacks: The same of each kind.

    Returns:
        The threshold in (0, 1), and the larger rate there.

    Raises:
        ValueError: There are no live presentations, or no attacks.
    """
    if not len(live) or not attacks or not all(len(scores) for scores in attacks.values()):
        raise ValueError("a threshold takes live presentations and attacks")
    scores = np.unique(np.concatenate([live, *attacks.values()]))
    ends = _log_odds(np.concatenate([[0.0], scores[np.isfinite(scores)], [1.0]]))
    middles = 1 / (1 + np.exp(-(ends[:-1] + ends[1:]) / 2))
    worst = np.array([max(bpcer(live, t), *(apcer(kind, t) for kind in attacks.values())) for t in middles])
    best = np.flatnonzero(worst == worst.min())
    chosen = best[np.argmax(np.diff(ends)[best])]
    return float(middles[chosen]), float(worst[chosen])


def _log_odds(scores: F64) -> F64:
    inside = np.clip(scores, _CLOSEST, 1 - _CLOSEST)
    odds: F64 = np.log(inside) - np.log1p(-inside)
    return odds
