"""Angles from cosines without acos, whose derivative is infinite at ±1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pipeline.errors import ConfigError

SIN_SQUARED_MIN = 2.0**-23  # float32 knows 1 - cos² no better than this


def sine(cosine: Tensor) -> Tensor:
    """The sine for θ in [0, π]; where cos θ = ±1 to rounding it is held at 3.5e-4, with derivative 0."""
    return ((1 - cosine) * (1 + cosine)).clamp_min(SIN_SQUARED_MIN).sqrt()


def cosine_of_sum(cosine: Tensor, margin_rad: float | Tensor) -> Tensor:
    """cos(θ + m) = cos θ cos m − sin θ sin m.

    Args:
        cosine: (B,) cos θ.
        margin_rad: m, one for all or (B,).
    """
    if isinstance(margin_rad, Tensor):
        return cosine * margin_rad.cos() - sine(cosine) * margin_rad.sin()
    return cosine * math.cos(margin_rad) - sine(cosine) * math.sin(margin_rad)


def decreasing_cosine_of_sum(cosine: Tensor, margin_rad: float | Tensor) -> Tensor:
    """cos(θ + m) up to θ + m = π, cos θ − m sin m beyond, where cos(θ + m) would rise again (ArcFace's own remedy)."""
    if isinstance(margin_rad, Tensor):
        turn, drop = -margin_rad.cos(), margin_rad * margin_rad.sin()
        return torch.where(cosine > turn, cosine_of_sum(cosine, margin_rad), cosine - drop)
    lowered = cosine - margin_rad * math.sin(margin_rad)
    return torch.where(cosine > -math.cos(margin_rad), cosine_of_sum(cosine, margin_rad), lowered)


def decreasing_cosine_of_multiple(cosine: Tensor, multiple: int) -> Tensor:
    """ψ(θ) = (−1)^k cos(mθ) − 2k for θ in [kπ/m, (k+1)π/m]: decreasing over all of [0, π] (L-Softmax, equation 5).

    Args:
        cosine: (B,) cos θ.
        multiple: m, 1 to 4; cos(mθ) is the Chebyshev polynomial T_m(cos θ).
    """
    if multiple not in range(1, 5):
        raise ConfigError(f"the angle's multiple is {multiple}: it must be 1, 2, 3 or 4")
    polynomial, previous = cosine, torch.ones_like(cosine)
    for _ in range(1, multiple):
        polynomial, previous = 2 * cosine * polynomial - previous, polynomial
    turns = torch.zeros_like(cosine)
    for number in range(1, multiple):
        turns = turns + (cosine < math.cos(number * math.pi / multiple))
    sign = 1 - 2 * (turns % 2)
    return sign * polynomial - 2 * turns
