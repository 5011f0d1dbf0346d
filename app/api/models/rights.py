"""Consents, legal holds, the copy of everything, erasure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.api.models.base import In, Line, Moment


class NewConsent(In):
    """What somebody agrees to."""

    purpose: Line = Field(examples=["door"])
    basis: Line = Field("consent", description="The legal basis.")
    until: Moment | None = Field(None, description="When it ends; without a zone in UTC.")
    text_version: Line | None = Field(None, description="Which wording was agreed to.", examples=["2026-01"])
    evidence: Line | None = Field(None, description="Where the signed paper is.", examples=["binder 7"])
    given_by: Line | None = Field(None, description="Who agreed, where it is not the subject: a guardian.")


class Consent(BaseModel):
    """A consent as it is kept."""

    id: int
    purpose: str = Field(examples=["door"])
    basis: str = Field(examples=["consent"])
    given: datetime = Field(description="When it was recorded (UTC).")
    expires: datetime | None
    withdrawn: datetime | None
    in_force: bool
    text_version: str | None
    evidence: str | None
    given_by: str | None
    recorded_by: str = Field(examples=["robot"])


class Consents(BaseModel):
    """The consents of a subject, oldest first, those that have ended too."""

    subject: str = Field(examples=["Ada Lovelace"])
    consents: list[Consent]


class Withdrawal(In):
    """What is withdrawn."""

    purpose: Line | None = Field(None, description="Only for this purpose; by default all that is in force.")


class Withdrawn(Consents):
    """What is kept after a withdrawal."""

    withdrawn: int = Field(description="How many consents were withdrawn by this.")


class NewHold(In):
    """Why somebody must not be erased."""

    reason: Line = Field(examples=["case 4711"], description="Goes with the subject; it does not stand in the log.")
    until: Moment | None = Field(None, description="When it ends; by default when it is lifted.")


class Hold(BaseModel):
    """A legal hold in force."""

    subject: str = Field(examples=["Ada Lovelace"])
    reason: str = Field(examples=["case 4711"])
    placed: datetime
    until: datetime | None
    by: str = Field(examples=["robot"])


class Holds(BaseModel):
    """The legal holds in force, by name of the subject."""

    holds: list[Hold]


class Lifted(BaseModel):
    """Whether there was a hold."""

    lifted: bool


class SubjectExport(BaseModel):
    """All that is held about somebody; binary values in base64."""

    model_config = ConfigDict(extra="allow")

    subject: str = Field(examples=["Ada Lovelace"])
    subject_id: str = Field(description="What the audit log calls the subject.")
    samples: list[dict[str, Any]]
    consents: list[dict[str, Any]]
    legal_hold: list[dict[str, Any]]
    audit: list[dict[str, Any]]
    runs: list[dict[str, Any]]


class ErasureReason(In):
    """Why somebody is erased; it goes into the audit log, so it names nobody."""

    reason: str = Field("request", examples=["request"], max_length=200)


class Certificate(BaseModel):
    """What an erasure did, what was looked at afterwards, and what it cannot reach; it names nobody."""

    model_config = ConfigDict(extra="allow")

    subject_id: str
    samples: int
    run_faces: int
    complete: bool
    not_reached: list[str]
