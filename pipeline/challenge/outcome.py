"""What came of a challenge, in words and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.challenge.steps import Step

Failure = Literal[
    "no_face", "not_still", "wrong_step", "too_slow", "lost", "jump", "other_face", "flat", "unclear", "unfinished"
]

#: Why a challenge was not followed.
REASONS: dict[Failure, str] = {
    "no_face": "no face was seen",
    "not_still": "the face never looked straight at the camera and held still before the first step",
    "wrong_step": "the head turned another way than was asked",
    "too_slow": "a step was not done in time",
    "lost": "the face was out of sight",
    "jump": "the head turned faster than heads do: the picture seems to have been cut or exchanged",
    "other_face": "another face came in place of the one that began",
    "flat": "the face stayed as flat as a picture while it turned",
    "unclear": "the face was too blurred, dark or fast to tell whether it is a picture: more light, and slower",
    "unfinished": "the video ended before every step was done, and the head was back",
}


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step that was done.

    Attributes:
        step: Which.
        start_s: When it was asked for, or the step before was done.
        end_s: When the head was back.
        degrees: How far the head turned at most; None for a blink.
        relief: Depth of the face, in distances of the eyes: 0 of a plane; None for a blink.
    """

    step: Step
    start_s: float
    end_s: float
    degrees: float | None = None
    relief: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a challenge was followed.

    Attributes:
        failure: Why not; None where it was.
        at_s: When that was known, in seconds after the first frame; so are the times of the steps.
        steps: Those that were done.
        least_score: Lowest score of the face against itself before the first step; None where it never began.
    """

    failure: Failure | None
    at_s: float
    steps: tuple[StepDone, ...]
    least_score: float | None

    @property
    def followed(self) -> bool:
        """Every step was done in order by one face that is not flat."""
        return self.failure is None

    @property
    def said(self) -> str:
        """The outcome in a sentence."""
        if self.failure is None:
            return f"The challenge was followed: {', '.join(done.step for done in self.steps)}."
        return f"The challenge was not followed ({REASONS[self.failure]}, at {self.at_s:.1f} s)."

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "followed": self.followed,
            "failure": self.failure,
            "reason": self.said,
            "seconds": round(self.at_s, 3),
            "least_score": None if self.least_score is None else round(self.least_score, 4),
            "steps": [
                {
                    "step": done.step,
                    "start_s": round(done.start_s, 3),
                    "end_s": round(done.end_s, 3),
                    "degrees": None if done.degrees is None else round(done.degrees, 1),
                    "relief": None if done.relief is None else round(done.relief, 4),
                }
                for done in self.steps
            ],
        }
