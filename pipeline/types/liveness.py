"""What is known about the errors of presentation attack detection at one threshold."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, slots=True)
class AttackRate:
    """How often one kind of attack is taken for a live face.

    Attributes:
        kind: What the attack was made of: print, replay, mask.
        apcer: Attack presentation classification error rate in [0, 1] (ISO/IEC 30107-3).
        attacks: Presentations behind it; one in which no face was found counts as detected, as it would be.
    """

    kind: str
    apcer: float
    attacks: int

    def __post_init__(self) -> None:
        if not self.kind or not 0 <= self.apcer <= 1 or self.attacks < 1:
            raise ValueError("an attack needs a kind, a rate in [0, 1] and at least one presentation")


@dataclass(frozen=True, slots=True)
class LivenessPoint:
    """A face is live iff its score >= threshold.

    Attributes:
        threshold: In [0, 1].
        bpcer: Share of live faces that are taken for an attack, in [0, 1] (ISO/IEC 30107-3).
        live: Live presentations behind it.
        attacks: The kinds that were tried. Others are not known to be found.
        model_id: The model whose scores these are.
        measured_on: On which data the threshold was chosen, and on which other data the rates were measured.
    """

    threshold: float
    bpcer: float
    live: int
    attacks: tuple[AttackRate, ...]
    model_id: str
    measured_on: str

    def __post_init__(self) -> None:
        if not (isfinite(self.threshold) and 0 <= self.threshold <= 1 and 0 <= self.bpcer <= 1):
            raise ValueError("threshold and bpcer must lie in [0, 1]")
        if self.live < 1 or not self.attacks:
            raise ValueError("a liveness point needs live presentations and at least one kind of attack")
