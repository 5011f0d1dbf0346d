"""What a photo that is to be enrolled looks like: somebody else who is enrolled, or not like its own subject.

Asked before a photo is enrolled, by whichever way it comes. Nothing here prints; page, command line, service and client
say it in their own form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.outcomes import EnrolmentWarning
from pipeline.errors import LookalikeError, SubjectNotFoundError
from pipeline.recognizer import Faces
from pipeline.types import Decision

if TYPE_CHECKING:
    from app.searches import Searches

#: Decisions that name somebody.
_NAMING = ("match", "ambiguous")


@dataclass(frozen=True, slots=True)
class Likeness:
    """What one face looks like.

    Attributes:
        decision: Whom identify takes it for.
        subject: The name it is to be enrolled under, normalised; None while there is none.
        own: The best score with a photo of that subject, in [-1, 1]; None where none is enrolled with this model.
        threshold: Of verify, where there is a score: from there on two photos show one person.
    """

    decision: Decision
    subject: str | None
    own: float | None = None
    threshold: float | None = None

    @property
    def others(self) -> tuple[EnrolmentWarning, ...]:
        """Whom it looks like besides the subject, best first: nobody, one, or two."""
        said = self.decision
        if said.kind not in _NAMING or said.threshold is None:
            return ()
        named = (said.best, said.runner_up if said.kind == "ambiguous" else None)
        return tuple(
            EnrolmentWarning("looks_like", name, score, said.threshold)
            for name, score in filter(None, named)
            if name != self.subject and score >= said.threshold
        )

    @property
    def unlike(self) -> EnrolmentWarning | None:
        """That it matches no photo of the subject, who has some; None where it does, or there are none."""
        if self.subject is None or self.own is None or self.threshold is None or self.own >= self.threshold:
            return None
        return EnrolmentWarning("unlike", self.subject, self.own, self.threshold)

    def warnings(self) -> tuple[EnrolmentWarning, ...]:
        """What to be warned of, worst first."""
        return (*self.others, *filter(None, [self.unlike]))

    def require_nobody_else(self, photo: str) -> None:
        """Refuses a photo whose best match is somebody else.

        Raises:
            LookalikeError: It is.
        """
        best = self.decision.best
        if not self.others or (best is not None and best[0] == self.subject):
            return
        raise LookalikeError(
            f"{photo}: {self.others[0].message}; look-alikes are refused: enrol it under that name, or, where these "
            "are two people, without refusing look-alikes",
            subject=self.others[0].subject,
        )


def likeness(services: Searches, face: Faces, subject: str | None) -> Likeness | None:
    """Holds a face against everybody who is enrolled, and against the photos of its own subject.

    Costs one search, and reading the subject's templates where the search did not come upon the subject.

    Args:
        services: Whose gallery is asked; the policy says whether it logs searches.
        face: One face.
        subject: As in `Likeness`.

    Returns:
        None where nobody is enrolled.

    Raises:
        NoOperatingPointError: Nothing says which score is a match.
        ModelSwitchedError: The gallery was switched to another model since the photo was analysed.
    """
    if not len(services.gallery):
        return None
    decision = services.checked_face(face)
    if subject is None or (own := _own(services, face, subject, decision)) is None:
        return Likeness(decision, subject)
    return Likeness(decision, subject, own, services.verify_point().threshold)


def _own(services: Searches, face: Faces, subject: str, decision: Decision) -> float | None:
    if decision.model_id != face.templates.model_id:
        return None
    for found in (decision.best, decision.runner_up):
        if found is not None and found[0] == subject:
            return found[1]
    gallery = services.gallery
    if not gallery.subject_ids([subject]):  # asked first: the error would look for names that are much alike
        return None
    try:
        enrolled = gallery.templates(subject)
    except SubjectNotFoundError:  # was removed meanwhile
        return None
    if not enrolled:
        return None
    return float(np.max(np.stack([one.vector for one in enrolled]) @ face.templates.vectors[0]))
