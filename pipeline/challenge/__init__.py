"""Challenge and response on video: is somebody there who does what was asked a moment ago?

    Challenge           random movements of the head, with a name of its own and an end
    Follower            frames one after the other -> was it followed, by one face, and was that face no flat picture?
    Surface             how far what is seen of the face departs from a plane that turned

A second means beside `pipeline.liveness`, which looks at a single photo. What it finds and what it does not is measured
in docs/liveness.md.
"""

from pipeline.challenge.follow import Follower, Look
from pipeline.challenge.outcome import Failure, Outcome, StepDone
from pipeline.challenge.policy import ChallengePolicy
from pipeline.challenge.steps import STEPS, STILL, WORDS, Challenge, Step, instructions, new_challenge
from pipeline.challenge.surface import Surface

__all__ = [
    "STEPS",
    "STILL",
    "WORDS",
    "Challenge",
    "ChallengePolicy",
    "Failure",
    "Follower",
    "Look",
    "Outcome",
    "Step",
    "StepDone",
    "Surface",
    "instructions",
    "new_challenge",
]
