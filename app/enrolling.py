"""Enrolling, as methods that ask first whether whoever acts may, and whether the policy allows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from app import in_use, live
from app.access import Actor, Role
from app.faces import only_face, sample_of
from app.outcomes import Enrolment, EnrolmentWarning
from app.photos import Source, name_of
from pipeline.config import Settings
from pipeline.errors import (
    ConsentMissingError,
    DuplicatePhotoError,
    LookalikeError,
    ModelSwitchedError,
    NoOperatingPointError,
    PhotoError,
    SubjectNameError,
)
from pipeline.images import Photo
from pipeline.recognizer import Faces, Recognizer

if TYPE_CHECKING:
    from app.lookalikes import Likeness
    from app.policy import Policy
    from pipeline.gallery import Gallery, NewConsent, NewSample
    from pipeline.gallery.vault.files import FileKeys


class Enrolling(ABC):
    """What `Changes` inherits. The methods raise NotAllowedError where the role of the actor is too weak."""

    settings: Settings
    actor: Actor

    @property
    @abstractmethod
    def recognizer(self) -> Recognizer:
        """The recognizer."""

    @property
    @abstractmethod
    def gallery(self) -> Gallery:
        """The gallery; changes go through the methods here."""

    @property
    @abstractmethod
    def policy(self) -> Policy:
        """What is demanded and logged."""

    @property
    @abstractmethod
    def file_keys(self) -> FileKeys:
        """Where runs, clusters and caches get their key from, if the gallery is encrypted."""

    @abstractmethod
    def likeness(self, face: Faces, subject: str | None) -> Likeness | None:
        """What a face that is to be enrolled looks like."""

    @abstractmethod
    def open(self, source: Source) -> Photo:
        """Opens a photo under the limits of the settings."""

    def require(self, role: Role) -> None:
        """Lets pass whoever has this role or a stronger one.

        Raises:
            NotAllowedError: The actor has not.
        """
        self.actor.require(role)

    # --- enrolling --------------------------------------------------------------------------------------------

    def enrol(
        self,
        subject: str,
        sources: Sequence[Source],
        *,
        face: int | None = None,
        consent: NewConsent | None = None,
        refuse_lookalikes: bool = False,
    ) -> list[Enrolment]:
        """Enrols photos of one subject: one transaction a photo; a photo that fails is a row.

        Args:
            subject: Any printable name.
            sources: Photos that show one face each.
            face: Number of the face to take from each photo, where it shows several; 1 is the most prominent.
            consent: What the subject agreed to; by default what the policy says.
            refuse_lookalikes: A photo whose best match is somebody else is a row with a LookalikeError, where the
                policy would only warn.

        Raises:
            NotAllowedError: The actor is no operator.
            SubjectNameError: The name cannot be used.
        """
        from pipeline.gallery import normalise

        self.require(Role.OPERATOR)
        subject = normalise(subject)
        items = [(subject, source) for source in sources]
        return list(self.enrol_many(items, face=face, consent=consent, refuse_lookalikes=refuse_lookalikes))

    def enrol_many(
        self,
        items: Iterable[tuple[str, Source]],
        *,
        face: int | None = None,
        consent: NewConsent | None = None,
        refuse_lookalikes: bool = False,
    ) -> Iterator[Enrolment]:
        """Enrols photos of several subjects; yields each once it is durable. A name that cannot be used is a row."""
        from pipeline.gallery import normalise

        self.require(Role.OPERATOR)
        good = []
        for subject, source in items:
            try:
                good.append((normalise(subject), source))
            except SubjectNameError as error:
                yield Enrolment(subject, name_of(source), error=error)
        _ = self.gallery  # its model is the one to look with
        stream = in_use.stream(self, good, lambda item: self.open(item[1]), workers=self.settings.worker_count)
        for (subject, source), faces in stream:
            if isinstance(faces, PhotoError):
                yield Enrolment(subject, name_of(source), error=faces)
            else:
                how: dict[str, Any] = {"face": face, "consent": consent, "refuse_lookalikes": refuse_lookalikes}
                act = partial(self.enrol_faces, subject, **how)
                row = in_use.retried(self, faces, source, act, partial(_not_enrolled, subject))
                yield replace(row, photo=name_of(source))

    def enrol_faces(
        self,
        subject: str,
        faces: Faces,
        *,
        face: int | None = None,
        consent: NewConsent | None = None,
        refuse_lookalikes: bool = False,
    ) -> Enrolment:
        """Enrols one photo that is analysed already; one that cannot be enrolled gives a row with the error.

        Where the policy demands a consent and there is none in force, that is such an error. What the photo looks like
        is held against who is enrolled by then; who is enrolled at the same moment is not seen.

        Raises:
            NotAllowedError: The actor is no operator.
            GalleryError: The name cannot be used, or the gallery cannot be written.
            ModelSwitchedError: The gallery was switched to another model since the photo was analysed.
            NoOperatingPointError: Look-alikes are refused, and nothing says which score is a match.
        """
        from pipeline.gallery import normalise

        self.require(Role.OPERATOR)
        subject = normalise(subject)
        try:
            gallery = self.gallery
            in_use.require_current(faces, gallery)
            consent = self._consent_for(subject, consent)
            chosen = only_face(faces, face)
            live.require_live(self.settings, chosen)
            warnings = self._warnings(chosen, subject, refuse=refuse_lookalikes)
            quality = float(self.recognizer.assess(chosen).unified[0])
            sample = sample_of(chosen, keep_crop=self.settings.keep_crops, quality=quality)
            made, consent_id = self._enrol(gallery, subject, [sample], consent)
            return Enrolment(subject, faces.source, made[0], consent_id=consent_id, warnings=warnings)
        except DuplicatePhotoError as error:
            if error.subject == subject:
                return Enrolment(subject, faces.source, error.sample_id, already=True)
            return Enrolment(subject, faces.source, error=error)
        except (PhotoError, ConsentMissingError, LookalikeError) as error:
            return Enrolment(subject, faces.source, error=error)

    def _warnings(self, face: Faces, subject: str, *, refuse: bool) -> tuple[EnrolmentWarning, ...]:
        """Why the photo may be the wrong one, as far as the policy wants that looked at."""
        level = "refuse" if refuse else self.policy.enrolment.lookalikes
        if level == "off":
            return ()
        try:
            found = self.likeness(face, subject)
        except NoOperatingPointError:
            if level == "refuse":
                raise
            return ()
        if found is not None and level == "refuse":
            found.require_nobody_else(face.source)
        return () if found is None else found.warnings()

    def enrol_samples(
        self, subject: str, new: Sequence[NewSample], model_id: str, consent: NewConsent | None = None
    ) -> list[str]:
        """Enrols faces that are embedded already, all of them or none; returns the sample ids.

        Args:
            subject: Any printable name.
            new: The faces.
            model_id: The model their vectors come from.
            consent: What the subject agreed to; by default what the policy says.

        Raises:
            NotAllowedError: The actor is no operator.
            ConsentMissingError: The policy demands a consent, and there is none.
            GalleryError: As `Gallery.enrol`.
            ModelSwitchedError: The gallery is searched with another model.
        """
        self.require(Role.OPERATOR)
        gallery = self.gallery
        if gallery.model_id != model_id:
            raise ModelSwitchedError(
                f"these faces were looked at with {model_id}, but the gallery is searched with {gallery.model_id} by "
                "now: look at them again"
            )
        return self._enrol(gallery, subject, new, self._consent_for(subject, consent))[0]

    def _enrol(
        self, gallery: Gallery, subject: str, new: Sequence[NewSample], consent: NewConsent | None
    ) -> tuple[list[str], int | None]:
        nobody_yet = not len(gallery)
        made = gallery.enrol_agreed(subject, new, consent)
        if nobody_yet:
            from app import stages

            stages.remember(gallery, self.settings)
        return made

    def _consent_for(self, subject: str, given: NewConsent | None) -> NewConsent | None:
        """What to record with an enrolment.

        Raises:
            ConsentMissingError: The policy demands a consent, and there is none.
        """
        rule = self.policy.consent
        if given is None and not rule.required and rule.default is None:
            return None
        there = given is None and self.gallery.has_consent(subject)
        found = None if there else self.policy.consent_for(given)
        if found is None and not there and rule.required:
            raise ConsentMissingError(
                f"{subject}: the policy {self.policy.name} enrols nobody without a consent: give --consent-purpose and "
                "--consent-until, or record one with `knownface subject consent`"
            )
        return found

    def undo(self, rows: Iterable[Enrolment]) -> int:
        """Takes back what these enrolments added, consents too; returns how many samples. As `Gallery.take_back`."""
        self.require(Role.OPERATOR)
        new = [row for row in rows if row.sample_id and not row.already]
        consents = [row.consent_id for row in new if row.consent_id is not None]
        return self.gallery.take_back([row.sample_id for row in new if row.sample_id], consents)[0]


def _not_enrolled(subject: str, error: PhotoError) -> Enrolment:
    return Enrolment(subject, "", error=error)
