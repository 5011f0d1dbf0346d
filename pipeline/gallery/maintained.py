"""The part of a gallery that is about no subject in particular: its documents, its model, its index, its upkeep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.gallery import check, documents, index_choice, programs, tuning, upkeep
from pipeline.gallery.audit import NOBODY, Note, Scribe
from pipeline.gallery.records import Problem
from pipeline.gallery.rights import RightsGallery
from pipeline.gallery.switching import Switching
from pipeline.gallery.values import bad_values

if TYPE_CHECKING:
    from pipeline.gallery.vault.work import Vaulting


class MaintainedGallery(RightsGallery):
    """A gallery that is looked after: documents beside the truth, the model, the index, checks and backups."""

    # --- documents --------------------------------------------------------------------------------------------

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
            problems += self._older(connection) + programs.problems(connection)
            problems += check.broken_references(connection, repair=repair)
            problems += check.bad_vectors(connection, self._model_id, self.dimension, repair=repair)
            problems += check.samples_without_template(connection, self._model_id)
            problems += check.forged_rights(connection)
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
    def restore(file: str | Path, location: str | Path, scribe: Scribe = NOBODY, *, in_the_open: bool = False) -> None:
        """Replaces everything in the gallery at `location` by a backup. Errors: `upkeep.restore`."""
        upkeep.restore(Path(file), location, scribe, in_the_open=in_the_open)

    def compact(self) -> None:
        """Gives free space back and forgets what only helped other processes to follow."""
        upkeep.compact(self._truth)
        self._index.compact()

    def stats(self) -> dict[str, Any]:
        """Counts, sizes and generations, as they go into JSON."""
        model = {"model_id": self._model_id, "dimension": self.dimension}
        return model | upkeep.figures(self._truth, self._model_id) | {"index": self._index.figures()}

    def _of_document(self, action: str, kind: str) -> Note:
        return Note(action, f"document:{kind}", {"model_id": self._model_id})
