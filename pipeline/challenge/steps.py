"""What is asked: random movements in a random order."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from pipeline.challenge.policy import ChallengePolicy

Turn = Literal["left", "right", "up", "down"]
Step = Literal[Turn, "blink"]
#: Every step; left and right are those of the person.
STEPS: tuple[Step, ...] = (*get_args(Turn), "blink")
SIDEWAYS = ("left", "right")

#: What people are told to do.
WORDS: dict[Step, str] = {
    "left": "turn your head to your left, and back",
    "right": "turn your head to your right, and back",
    "up": "look up, and back",
    "down": "look down, and back",
    "blink": "blink twice",
}
STILL = "look straight at the camera and hold still"

_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Challenge:
    """What somebody is asked to do.

    Attributes:
        nonce: Its name, 32 hexadecimal digits that nobody can guess.
        steps: In this order.
        issued, expires: From when to when it can be answered; UTC.
    """

    nonce: str
    steps: tuple[Step, ...]
    issued: datetime
    expires: datetime


def instructions(steps: Sequence[Step]) -> list[str]:
    """What somebody is told to do, in order."""
    return [STILL, *(WORDS[step] for step in steps)]


def new_challenge(policy: ChallengePolicy, now: datetime, *, blink: bool = False) -> Challenge:
    """A random challenge: no step twice running, and at least one to a side.

    Of three steps there are 34 orders, all equally likely. With `blink`, where eyes are looked at, there are 68.
    """
    chance, pool = secrets.SystemRandom(), [step for step in STEPS if blink or step != "blink"]
    while True:
        steps: list[Step] = []
        for _ in range(policy.steps):
            steps.append(chance.choice([step for step in pool if not steps or step != steps[-1]]))
        if any(step in SIDEWAYS for step in steps):
            expires = now + timedelta(seconds=policy.valid_s)
            return Challenge(secrets.token_hex(_NONCE_BYTES), tuple(steps), now, expires)
