"""What became of a photo or a pair: verified, enrolled, identified, or an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import KnownfaceError, PhotoError
from pipeline.gallery.names import shown
from pipeline.types import Decision, Detections

if TYPE_CHECKING:
    from app.video.appearances import Appearances
    from pipeline.recognizer import Faces


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """The result of verifying a pair: the decision and the faces it rests on (row 0 of each was compared)."""

    decision: Decision
    a: Faces
    b: Faces
    faces_in_a: int
    faces_in_b: int


WarningKind = Literal["looks_like", "unlike"]


@dataclass(frozen=True, slots=True)
class EnrolmentWarning:
    """Why a photo that is enrolled may be the wrong one.

    Attributes:
        kind: `looks_like`: another subject matches; `unlike`: none of the subject's own photos does.
        subject: That other subject; or the subject itself.
        score: With that other subject; or the best with an own photo.
        threshold: What the score was held against: that of identify; or that of verify.
    """

    kind: WarningKind
    subject: str
    score: float
    threshold: float

    @property
    def message(self) -> str:
        """It in words; no full stop."""
        figures = f"(score {self.score:.3f}, threshold {self.threshold:.3f})"
        if self.kind == "looks_like":
            return f"looks like {shown(self.subject)}, who is enrolled too {figures}"
        return f"does not look like the photos of {shown(self.subject)} that were enrolled before {figures}"

    def as_dict(self) -> dict[str, Any]:
        """It as it goes into JSON."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "score": self.score,
            "threshold": self.threshold,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One photo that was enrolled, or that failed: then `error` says why and `sample_id` is None.

    `already`: the subject had this very photo before, so nothing changed. `consent_id`: the consent that was recorded
    with it, None where none was. `warnings`: why it may be the wrong photo; it is enrolled all the same.
    """

    subject: str
    photo: str
    sample_id: str | None = None
    error: KnownfaceError | None = None
    already: bool = False
    consent_id: int | None = None
    warnings: tuple[EnrolmentWarning, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """One photo or video of a batch: its faces, or who appears in it, with a decision each; or an error.

    Attributes:
        photo: What it is called.
        faces: What a photo shows, templates included; None where a server has looked, which keeps those to itself.
        decisions: One for each face.
        error: Why there are none.
        appearances: Who appears in a video.
        boxes: Where the faces are, as a server says.
    """

    photo: str
    faces: Faces | None = None
    decisions: tuple[Decision, ...] = ()
    error: PhotoError | None = None
    appearances: Appearances | None = None
    boxes: Detections | None = None

    @property
    def detections(self) -> Detections | None:
        """Where each decision's face is: in the photo, or in the best shot of the appearance."""
        shown = self.faces or self.appearances
        return self.boxes if shown is None else shown.detections
