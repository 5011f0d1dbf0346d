"""What became of a photo or a pair: verified, enrolled, identified, or an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import KnownfaceError, PhotoError
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


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One photo that was enrolled, or that failed: then `error` says why and `sample_id` is None.

    `already`: the subject had this very photo before, so nothing changed. `consent_id`: the consent that was recorded
    with it, None where none was.
    """

    subject: str
    photo: str
    sample_id: str | None = None
    error: KnownfaceError | None = None
    already: bool = False
    consent_id: int | None = None


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
