"""What the models share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

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
