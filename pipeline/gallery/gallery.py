"""The gallery: who is enrolled, and who a probe is most like. Commit first, then publish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.gallery import (
    check,
    consents,
    documents,
    enrolment,
    in_use,
    index_choice,
    legal_holds,
    names,
    store,
    tuning,
    upkeep,
)
from pipeline.gallery.accountable import told_together
from pipeline.gallery.audit import NOBODY, Note, Scribe, target_of
from pipeline.gallery.consents import NewConsent
from pipeline.gallery.index import bad_rows
from pipeline.gallery.records import NewSample, Problem
from pipeline.gallery.rights import RightsGallery
from pipeline.gallery.switching import Switching
from pipeline.gallery.values import bad_values

if TYPE_CHECKING:
    from pipeline.gallery.vault.work import Vaulting


class Gallery(RightsGallery):
    """Subjects, their samples and templates, the search among them, and every change to them.

    One Gallery may be shared by threads, and many processes may open the same one. A method that changes something
    returns when the change is durable; every search that begins afterwards, in any process, sees it.

    """

    # --- changing ---------------------------------------------------------------------------------------------

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
            count = store.remove_subject(connection, name)
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
            store.remove_sample(connection, sample_id)
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
            store.rename(connection, old, new)
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
            count = store.merge(connection, source, target)
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
            held = legal_holds.longest_hold(connection, legal_holds.of_owners(owners))
            store.split(connection, list(sample_ids), new_name)
            made = store.uid_of(connection, new_name)
            if held is not None:
                legal_holds.put_hold(connection, store.subject_id(connection, new_name), held)
            log.append(Note("split", target_of(made), {"from": owners, "samples": list(sample_ids)}))

    def put_document(self, kind: str, body: Mapping[str, Any]) -> None:
        """Keeps a JSON document with the gallery, in place of the one of this kind and the gallery's model.

        Raises:
            ValueError: The body is nothing that JSON knows.
            GalleryError: It is larger than a megabyte.
        """
        text = documents.encode(kind, body)
        with self._changing() as (connection, log):
            documents.write(connection, kind, self._model_id, text)
            log.append(self._of_document("document", kind))

    def update_document(self, kind: str, change: Callable[[dict[str, Any] | None], Mapping[str, Any]]) -> None:
        """Replaces a document by what `change` makes of it, in one transaction: nobody else's change gets lost.

        Args:
            kind: As in `put_document`.
            change: Gets the document there is, None where there is none; returns the new one.

        Raises:
            GalleryDamagedError: The document there is is no JSON object any more.
            ValueError, GalleryError: As `put_document`.
        """
        with self._changing() as (connection, log):
            text = documents.encode(kind, change(documents.read(connection, kind, self._model_id)))
            documents.write(connection, kind, self._model_id, text)
            log.append(self._of_document("document", kind))

    def drop_document(self, kind: str) -> bool:
        """Removes the document of this kind and the gallery's model; returns whether there was one."""
        with self._changing() as (connection, log):
            dropped = documents.drop(connection, kind, self._model_id)
            if dropped:
                log.append(self._of_document("drop_document", kind))
        return dropped

    # --- the model --------------------------------------------------------------------------------------------

    def keep_model(self) -> None:
        """Notes that the gallery is searched with its model, unless it is noted already with which."""
        self.switching().begin(self.model)

    def switching(self) -> Switching:
        """What a change to another model needs."""
        return Switching(self._truth, self._scribe)

    def vault(self) -> Vaulting:
        """What encrypts the gallery, or changes its key."""
        from pipeline.gallery.vault.work import Vaulting  # noqa: PLC0415 - rarely needed

        return Vaulting(self._truth, self._scribe)

    # --- the index -------------------------------------------------------------------------------------------

    def save_index(self) -> bool:
        """Saves the index, so that the next process opens it without reading the database.

        Returns:
            Whether it was saved: not on a server, nor while another process writes one, nor on a full disk.
        """
        self._index.load()
        return self._index.save()

    def tune(self, threshold: float, target_recall: float, probes: int, note: tuning.Note) -> dict[str, Any]:
        """Measures the exact index and compressed ones on this gallery's vectors, and uses the best from now on.

        Args:
            threshold: The score of the operating point.
            target_recall: Share of enrolled probes whose best subject must be the exact index's, in (0, 1].
            probes: How many probes of each kind.
            note: Told, in words, what is being done.

        Returns:
            The choice and its evidence, as kept in the gallery's document "index"; see `tuning`.
        """
        coding, found = tuning.measure(self._index.loaded(), threshold, target_recall, probes, note)
        circumstances = {"threshold": threshold, "target_recall": target_recall, "probes": probes}
        circumstances |= {"vectors": len(self._index.loaded()), "dimension": self.dimension}
        chosen = tuning.document(coding, found, **circumstances, generation=self.generation)
        self.put_document(index_choice.KIND, chosen)
        return chosen

    # --- upkeep -----------------------------------------------------------------------------------------------

    def check(self, *, repair: bool = False) -> list[Problem]:
        """Looks for everything that can be wrong; see `Problem`.

        Args:
            repair: Put right what can be put right without inventing anything.
        """
        with self._truth.reading() as connection:
            problems = check.damaged_pages(connection) or bad_values(connection)
        if problems:
            return problems  # nothing else can be trusted
        with self._changing(erases=True) if repair else self._looking() as (connection, log):
            problems += check.broken_references(connection, repair=repair)
            problems += check.bad_vectors(connection, self._model_id, self.dimension, repair=repair)
            problems += check.samples_without_template(connection, self._model_id)
            if any(problem.repaired for problem in problems):
                log.append(Note("repair", "", {"problems": Counter(p.kind for p in problems if p.repaired)}))
        problems += self._index.check(repair=repair)
        return problems + check.leftovers(self._truth, repair=repair)

    def backup(self, file: str | Path) -> None:
        """Writes one consistent state to one new file, while others go on. Errors: `upkeep.backup`."""
        upkeep.backup(self._truth, Path(file))
        if not self._truth.read_only:
            self.record("backup")

    @staticmethod
    def restore(file: str | Path, location: str | Path, scribe: Scribe = NOBODY) -> None:
        """Replaces everything in the gallery at `location` by a backup. Errors: `upkeep.restore`."""
        upkeep.restore(Path(file), location, scribe)

    def export(self, subject: str) -> dict[str, Any]:
        """Everything that is kept about a subject, as it goes into JSON.

        Raises:
            SubjectNotFoundError: There is no such subject.
        """
        with self._truth.reading() as connection:
            return upkeep.export(connection, names.normalise(subject))

    def compact(self) -> None:
        """Gives free space back and forgets what only helped other processes to follow."""
        upkeep.compact(self._truth)
        self._index.compact()

    def stats(self) -> dict[str, Any]:
        """Counts, sizes and generations, as they go into JSON."""
        model = {"model_id": self._model_id, "dimension": self.dimension}
        return model | upkeep.figures(self._truth, self._model_id) | {"index": self._index.figures()}

    # --- inside -----------------------------------------------------------------------------------------------

    def _of_document(self, action: str, kind: str) -> Note:
        return Note(action, f"document:{kind}", {"model_id": self._model_id})

    def _checked(self, sample: NewSample) -> NewSample:
        vector = sample.vector
        if not isinstance(vector, np.ndarray) or vector.dtype != np.float32 or vector.shape != (self.dimension,):
            raise ValueError(f"the vector of a sample must be float32 of shape ({self.dimension},)")
        if len(bad_rows(vector[None])):
            raise ValueError("the vector of a sample must be finite and of unit length")
        if np.shape(sample.landmarks) != (5, 2):
            raise ValueError("the landmarks of a sample must have shape (5, 2)")
        return sample
