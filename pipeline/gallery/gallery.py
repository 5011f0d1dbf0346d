"""The gallery: who is enrolled, and who a probe is most like. Commit first, then publish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from pipeline.gallery import alterations, consents, enrolment, in_use, legal_holds, names, store
from pipeline.gallery.accountable import told_together
from pipeline.gallery.audit import Note, target_of
from pipeline.gallery.consents import NewConsent
from pipeline.gallery.index import bad_rows
from pipeline.gallery.maintained import MaintainedGallery
from pipeline.gallery.records import NewSample


class Gallery(MaintainedGallery):
    """Subjects, their samples and templates, the search among them, and every change to them.

    One Gallery may be shared by threads, and many processes may open the same one. A method that changes something
    returns when the change is durable; every search that begins afterwards, in any process, sees it.

    """

    def enrol(self, subject: str, new: Sequence[NewSample], consent: NewConsent | None = None) -> list[str]:
        """Adds samples to a subject, which is made if it is new; all of them or none.

        Args:
            subject: Its name.
            new: The samples.
            consent: What the subject agreed to, recorded with them.

        Returns:
            The samples' identities.

        Raises:
            SubjectNameError: The name cannot be used.
            DuplicatePhotoError: The same face of the same photo is enrolled already, for this subject or another.
            ModelSwitchedError: The gallery is searched with another model by now.
            ValueError: A vector is not (dimension,) float32, finite and of unit length.
        """
        return self.enrol_many([(subject, sample) for sample in new], consent)

    def enrol_many(self, items: Sequence[tuple[str, NewSample]], consent: NewConsent | None = None) -> list[str]:
        """Adds samples to several subjects in one transaction: all of them or none. As `enrol`."""
        return self._enrol(items, consent)[0]

    def enrol_agreed(
        self, subject: str, new: Sequence[NewSample], consent: NewConsent | None
    ) -> tuple[list[str], int | None]:
        """As `enrol`; returns the number of the consent too, None where none was recorded: `take_back` wants both."""
        made, consents_made = self._enrol([(subject, sample) for sample in new], consent)
        return made, next(iter(consents_made), None)

    def _enrol(self, items: Sequence[tuple[str, NewSample]], consent: NewConsent | None) -> tuple[list[str], list[int]]:
        named = [(names.normalise(name), self._checked(sample)) for name, sample in items]
        agreed: list[int] = []
        if not named:
            return [], agreed
        with self._changing() as (connection, log):
            made = enrolment.enrol(connection, named, self._model_id)
            in_use.require(connection, self._model_id)  # no switch can come between this and the commit
            ids = store.uids_of(connection, [name for name, _ in named])
            log.extend(told_together("enrol", Counter(ids[name] for name, _ in named)))
            if consent is not None:
                numbers = [self._consent(connection, log, name, consent) for name in ids]
                agreed = [number for number in numbers if number is not None]
        return made, agreed

    def remove(self, name: str) -> int:
        """Removes a subject and everything that belongs to it; returns how many samples it had.

        Raises:
            SubjectNotFoundError: There is no such subject; the message suggests the closest names.
            LegalHoldError: It is under a legal hold.
        """
        name = names.normalise(name)
        with self._changing(erases=True) as (connection, log):
            uid = store.uid_of(connection, name)
            legal_holds.refuse_held(connection, [uid])
            count = alterations.remove_subject(connection, name)
            log.append(Note("remove", target_of(uid), {"samples": count}))
        return count

    def remove_sample(self, sample_id: str) -> None:
        """Removes one sample; its subject goes with the last one.

        Raises:
            SubjectNotFoundError: There is no such sample.
            LegalHoldError: Its subject is under a legal hold.
        """
        with self._changing(erases=True) as (connection, log):
            owners = store.owners_of(connection, [sample_id])
            legal_holds.refuse_held(connection, owners)
            alterations.remove_sample(connection, sample_id)
            log.extend(Note("remove_sample", target_of(uid), {"sample": sample_id}) for uid in owners)

    def rename(self, old: str, new: str) -> None:
        """Gives a subject another name.

        Raises:
            SubjectNotFoundError: There is no such subject.
            SubjectExistsError: The new name is another subject's; `merge` joins the two.
            SubjectNameError: The new name cannot be used.
        """
        old, new = names.normalise(old), names.normalise(new)
        with self._changing(erases=True) as (connection, log):
            alterations.rename(connection, old, new)
            log.append(Note("rename", target_of(store.uid_of(connection, new))))

    def merge(self, source: str, target: str) -> int:
        """Moves samples and consents of `source` to `target` and removes `source`; returns how many samples.

        Raises:
            SubjectNotFoundError: One of them does not exist.
            SubjectExistsError: Both are the same subject.
            LegalHoldError: `source` is under a legal hold.
        """
        source, target = names.normalise(source), names.normalise(target)
        with self._changing(erases=True) as (connection, log):
            gone, stays = (store.uid_of(connection, name) for name in (source, target))
            legal_holds.refuse_held(connection, [gone])
            if gone != stays:
                consents.move(connection, *(store.subject_id(connection, name) for name in (source, target)))
            count = alterations.merge(connection, source, target)
            log.append(Note("merge", target_of(gone), {"into": stays, "samples": count}))
        return count

    def split(self, sample_ids: Sequence[str], new_name: str) -> None:
        """Moves samples to a new subject; a subject left without samples goes. Consents stay, a hold falls on both.

        Raises:
            SubjectExistsError: The name is taken.
            SubjectNotFoundError: One of the samples does not exist.
            SubjectNameError: The name cannot be used.
        """
        new_name = names.normalise(new_name)
        if not sample_ids:
            return
        with self._changing(erases=True) as (connection, log):
            owners = store.owners_of(connection, sample_ids)
            held = legal_holds.longest_hold(connection, owners)
            alterations.split(connection, list(sample_ids), new_name)
            made = store.uid_of(connection, new_name)
            if held is not None:
                legal_holds.put_hold(connection, store.subject_id(connection, new_name), held)
            log.append(Note("split", target_of(made), {"from": owners, "samples": list(sample_ids)}))

    def _checked(self, sample: NewSample) -> NewSample:
        vector = sample.vector
        if not isinstance(vector, np.ndarray) or vector.dtype != np.float32 or vector.shape != (self.dimension,):
            raise ValueError(f"the vector of a sample must be float32 of shape ({self.dimension},)")
        if len(bad_rows(vector[None])):
            raise ValueError("the vector of a sample must be finite and of unit length")
        if np.shape(sample.landmarks) != (5, 2):
            raise ValueError("the landmarks of a sample must have shape (5, 2)")
        return sample
