"""Subjects and their samples."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.api.models.base import BOX, In, Landmarks, WithConsent


class Subject(BaseModel):
    """Somebody enrolled."""

    subject: str = Field(examples=["Ada Lovelace"])
    samples: int = Field(examples=[3], description="Photos enrolled.")
    created: datetime = Field(description="When the subject was first enrolled (UTC).")


class Subjects(BaseModel):
    """A page of subjects, by name."""

    subjects: list[Subject]
    next: str | None = Field(description="Cursor of the next page; null on the last.", examples=["QWRhIExvdmVsYWNl"])


class Sample(BaseModel):
    """An enrolled photo of a face."""

    id: str = Field(examples=["0b5c2f9e4d7a4c1f8e6b3a2d1c0f9e8d"])
    photo: str = Field(examples=["ada.jpg"], description="What the photo was called.")
    photo_sha256: str = Field(description="Hash of the photo's bytes.")
    image_hw: tuple[int, int] = Field(description="Height and width of the photo in pixels.", examples=[(768, 1024)])
    box: tuple[float, float, float, float] = Field(description="x0, y0, x1, y1 in pixels.", examples=[BOX])
    landmarks: Landmarks
    confidence: float = Field(examples=[0.93], description="The detector's, in [0, 1].")
    quality: float | None = Field(examples=[0.71])
    created: datetime
    has_template: bool = Field(description="Whether the model in use can find it.")


class SubjectDetail(BaseModel):
    """A subject and its samples, oldest first."""

    subject: str = Field(examples=["Ada Lovelace"])
    created: datetime
    samples: list[Sample]


class EnrolmentWarning(BaseModel):
    """Why a photo that is enrolled may be the wrong one."""

    kind: Literal["looks_like", "unlike"] = Field(
        description="`looks_like`: another subject matches; `unlike`: no photo of the subject's own does."
    )
    subject: str | None = Field(
        examples=["Grace Hopper"],
        description="That other subject, or the subject itself; null in an answer given again when they are gone.",
    )
    score: float = Field(examples=[0.612], description="With that other subject; or the best with an own photo.")
    threshold: float = Field(examples=[0.38], description="What the score was held against.")
    message: str = Field(examples=["looks like 'Grace Hopper', who is enrolled too (score 0.612, threshold 0.380)"])


class Enrolled(BaseModel):
    """A photo that is enrolled."""

    subject: str = Field(examples=["Ada Lovelace"])
    photo: str = Field(examples=["ada.jpg"])
    sample_id: str = Field(examples=["0b5c2f9e4d7a4c1f8e6b3a2d1c0f9e8d"])
    already: bool = Field(description="The subject had this very photo before.")
    warnings: list[EnrolmentWarning] = Field(description="It is enrolled all the same; look at it.")


class Failed(BaseModel):
    """A photo that could not be used."""

    photo: str = Field(examples=["group.jpg"])
    error: str = Field(examples=["several_faces"])
    message: str = Field(examples=["group.jpg: shows 3 faces: name one with --face N, or crop the photo"])


class Enrolment(BaseModel):
    """What became of each photo."""

    enrolled: list[Enrolled]
    failed: list[Failed]


class NewName(In):
    """Another name."""

    name: str = Field(examples=["Ada King"])


class Into(In):
    """Who a subject is merged into."""

    into: str = Field(examples=["Ada Lovelace"])


class Apart(WithConsent):
    """Samples that show somebody else."""

    samples: list[str] = Field(min_length=1, max_length=10_000, examples=[["0b5c2f9e4d7a4c1f8e6b3a2d1c0f9e8d"]])
    name: str = Field(examples=["Ada King"], description="Of the new subject.")


class Moved(BaseModel):
    """How many samples were moved."""

    samples: int


class Removed(BaseModel):
    """What was removed."""

    removed: str = Field(examples=["Ada Lovelace"])
    samples: int = Field(description="How many samples it had.")
