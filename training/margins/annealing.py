"""The annealing that L-Softmax and SphereFace need to converge."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.margins.base import Margin, Targets


class Annealing(nn.Module):
    """λ falls from `base` to `floor` (SphereFace, appendix; the authors' code): λ = max(floor, base (1 + γ t)^−power).

    The target's ψ(θ) is replaced by (λ cos θ + ψ(θ)) / (1 + λ); t is the number of training steps seen.

    Args:
        base: λ at the beginning.
        gamma: γ, how fast it falls.
        power: Exponent of the fall.
        floor: The λ that stays in the end; 0 for the pure margin.
    """

    steps: Tensor

    def __init__(self, base: float = 1000.0, gamma: float = 0.12, power: float = 1.0, floor: float = 5.0) -> None:
        super().__init__()
        self.base, self.gamma, self.power, self.floor = base, gamma, power, floor
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def observe(self) -> None:
        """One training step more."""
        self.steps += 1

    def weight(self) -> Tensor:
        """λ, a scalar float64 tensor on the state's device."""
        fall: Tensor = (1 + self.gamma * self.steps.double()) ** -self.power
        return (self.base * fall).clamp_min(self.floor)

    def mix(self, cosine: Tensor, hardened: Tensor) -> Tensor:
        """(λ cos θ + ψ(θ)) / (1 + λ), both (B,)."""
        weight = self.weight().to(cosine.dtype)
        return (weight * cosine + hardened) / (1 + weight)


class AnnealedMargin(Margin):
    """A margin on the angle that is `multiple` times as hard, which comes in by annealing.

    Args:
        multiple: m, 1 to 4.
        annealing: How λ falls.
    """

    def __init__(self, multiple: int = 4, annealing: Annealing | None = None) -> None:
        super().__init__(scale=1.0)
        self.multiple = multiple
        self.annealing = annealing or Annealing()

    def observe(self, targets: Targets) -> None:  # noqa: ARG002
        """One step further down the annealing."""
        self.annealing.observe()
