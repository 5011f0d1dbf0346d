"""Every change to the gallery, as a method that asks first whether whoever acts may make it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from app import in_use, live
from app.access import Actor, Role
from app.faces import only_face, sample_of
from app.outcomes import Enrolment
from app.photos import Source, name_of
from pipeline.config import Settings
from pipeline.errors import (
    ConsentMissingError,
    DuplicatePhotoError,
    ModelSwitchedError,
    PhotoError,
    SubjectNameError,
)
from pipeline.images import Photo
from pipeline.recognizer import Faces, Recognizer

if TYPE_CHECKING:
    from app.policy import Policy
    from pipeline.gallery import Gallery, NewConsent, NewSample
    from pipeline.gallery.vault.files import FileKeys


class Changes(ABC):
    """What `Services` inherits. The methods raise NotAllowedError where the role of the actor is too weak."""

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
        self, subject: str, sources: Sequence[Source], *, face: int | None = None, consent: NewConsent | None = None
    ) -> list[Enrolment]:
        """Enrols photos of one subject: one transaction a photo; a photo that fails is a row.

        Args:
            subject: Any printable name.
            sources: Photos that show one face each.
            face: Number of the face to take from each photo, where it shows several; 1 is the most prominent.
            consent: What the subject agreed to; by default what the policy says.

        Raises:
            NotAllowedError: The actor is no operator.
            SubjectNameError: The name cannot be used.
        """
        from pipeline.gallery import normalise

        self.require(Role.OPERATOR)
        subject = normalise(subject)
        return list(self.enrol_many([(subject, source) for source in sources], face=face, consent=consent))

    def enrol_many(
        self, items: Iterable[tuple[str, Source]], *, face: int | None = None, consent: NewConsent | None = None
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
                act, name = partial(self.enrol_faces, subject, face=face, consent=consent), name_of(source)
                row = in_use.retried(self, faces, source, act, partial(_not_enrolled, subject))
                yield replace(row, photo=name)

    def enrol_faces(
        self, subject: str, faces: Faces, *, face: int | None = None, consent: NewConsent | None = None
    ) -> Enrolment:
        """Enrols one photo that is analysed already; one that cannot be enrolled gives a row with the error.

        Where the policy demands a consent and there is none in force, that is such an error.

        Raises:
            NotAllowedError: The actor is no operator.
            GalleryError: The name cannot be used, or the gallery cannot be written.
            ModelSwitchedError: The gallery was switched to another model since the photo was analysed.
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
            quality = float(self.recognizer.assess(chosen).unified[0])
            sample = sample_of(chosen, keep_crop=self.settings.keep_crops, quality=quality)
            made, consent_id = self._enrol(gallery, subject, [sample], consent)
            return Enrolment(subject, faces.source, made[0], consent_id=consent_id)
        except DuplicatePhotoError as error:
            if error.subject == subject:
                return Enrolment(subject, faces.source, error.sample_id, already=True)
            return Enrolment(subject, faces.source, error=error)
        except (PhotoError, ConsentMissingError) as error:
            return Enrolment(subject, faces.source, error=error)

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

    # --- putting in order -------------------------------------------------------------------------------------

    def rename(self, old: str, new: str) -> None:
        """Gives a subject another name. Errors: `Gallery.rename`."""
        from app.forgetting import call_anew

        self.require(Role.OPERATOR)
        self.gallery.rename(old, new)
        call_anew(self.settings.home, old, new, self.file_keys)

    def merge(self, source: str, target: str) -> int:
        """Moves every sample of `source` to `target`; returns how many. Errors: `Gallery.merge`."""
        from app.forgetting import call_anew

        self.require(Role.OPERATOR)
        moved = self.gallery.merge(source, target)
        call_anew(self.settings.home, source, target, self.file_keys)
        return moved

    def split(self, sample_ids: Sequence[str], new_name: str, consent: NewConsent | None = None) -> None:
        """Moves samples to a new subject, who needs a consent as anybody new does. Errors: `enrol`, `Gallery.split`."""
        self.require(Role.OPERATOR)
        found = self._consent_for(new_name, consent)
        self.gallery.split(sample_ids, new_name)
        if found is not None:
            self.gallery.consent(new_name, found)

    def export(self, subject: str) -> dict[str, Any]:
        """Everything that is kept about a subject, as it goes into JSON. Errors: `Gallery.export`."""
        self.require(Role.OPERATOR)
        held = self.gallery.export(subject)
        if not self.gallery.read_only:
            self.gallery.record("export", f"subject:{self.gallery.subject_id(subject)}")
        return held

    def remove(self, subject: str) -> int:
        """Removes a subject from the gallery, and its name from runs, whose faces of it are unknown again; see `erase`.

        Returns:
            How many samples it had.

        Raises:
            NotAllowedError: The actor is no admin.
            SubjectNotFoundError: There is no such subject.
            LegalHoldError: It is under a legal hold.
        """
        from app.forgetting import forget_name

        self.require(Role.ADMIN)
        self.gallery.require_erasable(subject)
        forget_name(self.settings.home, self.gallery.subject(subject), self.file_keys)
        return self.gallery.remove(subject)

    def remove_sample(self, sample_id: str) -> None:
        """Erases one sample. Errors: `Gallery.remove_sample`."""
        self.require(Role.ADMIN)
        self.gallery.remove_sample(sample_id)


def _not_enrolled(subject: str, error: PhotoError) -> Enrolment:
    return Enrolment(subject, "", error=error)
