"""What the models share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from pipeline.gallery import NewConsent

BOX = [91.0, 72.5, 260.4, 300.1]
#: Five points.
Landmarks = Annotated[
    list[tuple[float, float]],
    Field(
        description="x, y in pixels: left eye, right eye, nose, left and right mouth corner, as the viewer sees them.",
        examples=[[(136.2, 161.0), (214.8, 160.1), (175.3, 206.9), (142.0, 249.5), (209.1, 248.7)]],
    ),
]


class In(BaseModel):
    """What comes in: a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


def _moment(at: datetime) -> datetime:
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from error


#: A time; without a zone it is UTC.
Moment = Annotated[datetime, AfterValidator(_moment)]
#: A line of text that people wrote.
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]+$")
]


class WithConsent(In):
    """What may bring a consent along."""

    consent_purpose: Line | None = Field(None, examples=["door"], description="Record a consent for this.")
    consent_until: Moment | None = Field(None, description="When that consent ends.")
    consent_basis: Line = Field("consent", description="The legal basis.")
    consent_text_version: Line | None = Field(None, description="Which wording was agreed to.")
    consent_evidence: Line | None = Field(None, description="Where the signed paper is.")
    consent_given_by: Line | None = Field(None, description="Who agreed, where it is not the subject.")

    def consent(self) -> NewConsent | None:
        """The consent that is given; None without a purpose."""
        more = self.consent_basis, self.consent_until, self.consent_text_version
        given = self.consent_evidence, self.consent_given_by
        return None if self.consent_purpose is None else NewConsent(self.consent_purpose, *more, *given)
