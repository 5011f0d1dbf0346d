"""Every change to the gallery, as a method that asks first whether whoever acts may make it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.access import Role
from app.enrolling import Enrolling

if TYPE_CHECKING:
    from pipeline.gallery import NewConsent


class Changes(Enrolling):
    """What `Services` inherits. The methods raise NotAllowedError where the role of the actor is too weak."""

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
