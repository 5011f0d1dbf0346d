"""Figures of a run of comparisons, with their intervals; everything a report shows is computed here, once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.evaluation.records import Codes
from pipeline.metrics import (
    Bools,
    ErrorCurve,
    ScoreSweep,
    match_rate,
    rule_of_three,
    subject_bootstrap,
    wilson_interval,
)
from pipeline.types import F64

#: Rates that are reported where there are enough comparisons for them.
RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
_WORK = 100_000_000  # weights summed in all draws of a bootstrap
_BINS = 80
_POINTS_PER_DECADE = 24


def supported(rates: Sequence[float], trials: int) -> list[float]:
    """The rates that so many comparisons can show: those not below 1/N."""
    return [rate for rate in rates if rate * trials >= 1 - 1e-9]


def draws_for(comparisons: int) -> int:
    """Draws of a bootstrap: 1,000, fewer for very long lists."""
    return max(200, min(1000, _WORK // max(comparisons, 1)))


def rates_of(curve: ErrorCurve, rates: Sequence[float]) -> F64:
    """EER, then FNMR at each rate: the statistic whose interval is wanted; NaN where a draw leaves it undefined."""
    if not curve.mated or not curve.non_mated:
        return np.full(1 + len(rates), np.nan)
    return np.array([curve.equal_error_rate(), *(curve.fnmr_at_fmr(rate, resampled=True) for rate in rates)])


def intervals_of(scores: F64, mated: Bools, a: Codes, b: Codes, rates: Sequence[float]) -> F64:
    """(2, 1 + K) 95 % intervals of EER and of FNMR at each rate, by resampling subjects."""
    sweep = ScoreSweep(scores, mated)
    return subject_bootstrap(a, b, lambda w: rates_of(sweep.curve(w), rates), draws=draws_for(len(scores)))


def subject_interval(ends: F64, rate: float, people: int) -> list[float] | None:
    """The ends of a bootstrap as JSON has them; None where they are not known.

    Where no error was seen, resampling shows none either: then the upper end is the rule of three for so many people.
    """
    if np.isnan(ends).any():
        return None
    return [0.0, rule_of_three(people)] if rate == 0 else [float(ends[0]), float(ends[1])]


def error_row(scores: F64, wanted: Bools, threshold: float, *, matches: bool) -> dict[str, Any]:
    """Errors among the wanted comparisons at a threshold: matches (of non-mated) or misses (of mated)."""
    chosen = scores[wanted]
    rate = match_rate(chosen, threshold)
    errors = round(rate * len(chosen)) if len(chosen) else 0
    errors = errors if matches else len(chosen) - errors
    low, high = wilson_interval(errors, len(chosen))
    return {
        "errors": errors,
        "comparisons": len(chosen),
        "rate": errors / len(chosen) if len(chosen) else None,
        "interval": [low, high],
    }


def curve_points(curve: ErrorCurve) -> list[list[float]]:
    """[threshold, FMR, FNMR] at the corners of the curve, thinned where they lie closer than a plot can show."""
    fmr, fnmr = curve.fmr, curve.fnmr
    if not len(fmr) or np.isnan(fmr).any() or np.isnan(fnmr).any():
        return []

    def place(rates: F64) -> F64:
        clipped = np.clip(rates, 1e-9, 1 - 1e-9)
        return np.round(_POINTS_PER_DECADE * np.log10(clipped / (1 - clipped)))

    cells = np.stack([place(fmr), place(fnmr)])
    keep = np.concatenate([[True], (cells[:, 1:] != cells[:, :-1]).any(axis=0)])
    keep[-1] = True
    rows = np.flatnonzero(keep)
    finite = np.where(np.isfinite(curve.thresholds), curve.thresholds, np.nan)
    return [[_or_none(finite[i]), float(fmr[i]), float(fnmr[i])] for i in rows]  # type: ignore[list-item]


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def histogram(scores: F64, mated: Bools) -> dict[str, Any]:
    """Counts of mated and non-mated scores in bins of equal width; failures are not in them."""
    finite = np.isfinite(scores)
    low, high = (float(scores[finite].min()), float(scores[finite].max())) if finite.any() else (0.0, 1.0)
    edges = np.linspace(math.floor(low * 20) / 20, math.ceil(high * 20 + 1e-9) / 20 + (low == high) * 0.05, _BINS + 1)
    return {
        "edges": [float(edge) for edge in edges],
        "mated": [int(n) for n in np.histogram(scores[finite & mated], edges)[0]],
        "non_mated": [int(n) for n in np.histogram(scores[finite & ~mated], edges)[0]],
    }
