"""Where liveness is on: nobody is named or enrolled whose face looks like a picture of one."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.build import liveness_point
from pipeline.config import Settings
from pipeline.errors import NotLiveError
from pipeline.liveness import hold_against, not_live
from pipeline.recognizer import Faces
from pipeline.types import Decision


def held(settings: Settings, decisions: Sequence[Decision], faces: Faces) -> tuple[Decision, ...]:
    """The decisions about the faces of a photo; `not_live` instead for those that are not taken for live.

    Args:
        settings: Which model said so.
        decisions: One for each face.
        faces: The faces.

    Raises:
        NoOperatingPointError: Nothing says which score is live.
    """
    if faces.live is None:
        return tuple(decisions)
    point = liveness_point(settings)
    return tuple(hold_against(said, float(live), point) for said, live in zip(decisions, faces.live, strict=True))


def require_live(settings: Settings, face: Faces) -> None:
    """Refuses a face to enrol that looks like a picture of one.

    Raises:
        NotLiveError: It does.
        NoOperatingPointError: As `held`.
    """
    if face.live is None or (point := liveness_point(settings)) is None or face.live[0] >= point.threshold:
        return
    raise NotLiveError(
        f"{face.source}: {not_live(float(face.live[0]), point)} Use a photo of the person, or turn "
        "liveness off to enrol from pictures"
    )
