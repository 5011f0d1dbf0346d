"""A challenge, and what came of it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from pipeline.challenge import Failure, Step


class Challenge(BaseModel):
    """What somebody is asked to do while a video is recorded."""

    id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"], description="Its name; whoever knows it may answer.")
    steps: list[Step] = Field(examples=[["left", "up", "right"]], description="In this order; left is the person's.")
    say: list[str] = Field(
        examples=[["look straight at the camera and hold still", "turn your head to your left, and back"]],
        description="What to tell the person, in order.",
    )
    expires: datetime = Field(description="Until then the video has to be here.")


class StepDone(BaseModel):
    """A step that was done."""

    step: Step
    start_s: float = Field(examples=[1.4], description="Seconds after the first frame.")
    end_s: float = Field(examples=[2.9])
    degrees: float | None = Field(examples=[31.5], description="How far the head turned; none for a blink.")
    relief: float | None = Field(examples=[0.121], description="Depth of the face in distances of the eyes.")


class Identity(BaseModel):
    """Who followed a challenge."""

    subject: str | None = Field(examples=["Ada Lovelace"])
    decision: str = Field(examples=["match"], description="match, unknown, ambiguous or poor_image.")
    score: float | None = Field(examples=[0.61])
    reason: str


class Answer(BaseModel):
    """Whether a challenge was followed."""

    followed: bool = Field(description="Every step was done in order by one face that is no flat picture.")
    failure: Failure | None = Field(examples=["wrong_step"], description="Why not.")
    reason: str = Field(
        examples=["The challenge was not followed (the head turned another way than was asked, at 3.2 s)."]
    )
    seconds: float = Field(examples=[3.2], description="When in the video that was known.")
    least_score: float | None = Field(
        examples=[0.71], description="Lowest of the face against itself before the steps."
    )
    steps: list[StepDone]
    identity: Identity | None = Field(description="Who it was; none where it was not followed, or nobody is enrolled.")
