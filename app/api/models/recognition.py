"""What verify and identify answer."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.api.models.base import BOX, Landmarks
from app.api.models.subjects import Failed


class Verified(BaseModel):
    """Whether two photos show the same person."""

    decision: str = Field(examples=["match"], description="match, non_match, poor_image or not_live.")
    score: float | None = Field(examples=[0.61], description="Cosine similarity.")
    threshold: float | None = Field(examples=[0.38])
    model_id: str = Field(examples=["sface.2021dec@1a2b3c4d"])
    reason: str
    probability: float | None
    log_likelihood_ratio: float | None
    operating_point: str
    faces_in_a: int = Field(examples=[1])
    faces_in_b: int = Field(examples=[1])


class Scored(BaseModel):
    """A subject and its score."""

    subject: str = Field(examples=["Ada Lovelace"])
    score: float = Field(examples=[0.61])


class Face(BaseModel):
    """One face of a photo, and who it is."""

    photo: str = Field(examples=["party.jpg"])
    box: tuple[float, float, float, float] = Field(description="x0, y0, x1, y1 in pixels.", examples=[BOX])
    subject: str | None = Field(examples=["Ada Lovelace"])
    decision: str = Field(examples=["match"], description="match, unknown, ambiguous, poor_image or not_live.")
    score: float | None
    threshold: float | None
    best: Scored | None
    runner_up: Scored | None
    reason: str
    operating_point: str
    model_id: str = Field(examples=["sface.2021dec@1a2b3c4d"])
    probability: float | None
    log_likelihood_ratio: float | None
    confidence: float = Field(examples=[0.93], description="The detector's, in [0, 1]; no match score.")
    landmarks: Landmarks
    image_hw: tuple[int, int] = Field(description="Height and width of the photo in pixels.", examples=[(768, 1024)])


class Identified(BaseModel):
    """A row per face, and a row per photo that could not be used."""

    faces: list[Face]
    errors: list[Failed]
