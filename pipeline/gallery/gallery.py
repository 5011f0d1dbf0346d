"""The gallery: who is enrolled, and who a probe is most like. Commit first, then publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import ModelMismatchError
from pipeline.gallery import check, documents, enrolment, index_choice, names, store, tuning, upkeep
from pipeline.gallery.codes import Progress
from pipeline.gallery.engine import Place
from pipeline.gallery.index import bad_rows
from pipeline.gallery.index_place import LOCAL, IndexPlace, open_index
from pipeline.gallery.records import Enrolled, NewSample, Problem, SubjectDetail, SubjectInfo
from pipeline.gallery.schema import samples, subjects
from pipeline.gallery.truth import Truth
from pipeline.gallery.values import bad_values
from pipeline.types import Candidates, SubjectScore, Templates


class Gallery:
    """Subjects, their samples and templates, and the search among them.

    One Gallery may be shared by threads, and many processes may open the same one. A method that changes something
    returns when the change is durable; every search that begins afterwards, in any process, sees it.

    Args:
        truth: Its database, open.
        model_id: The model whose templates it holds and searches.
        dimension: Length of a vector of that model.
        subject_score: Whether a search takes each subject's best sample, or the template fused over its samples.
        index: Where it is searched.
    """

    def __init__(
        self,
        truth: Truth,
        model_id: str,
        dimension: int,
        subject_score: SubjectScore = "best",
        index: IndexPlace = LOCAL,
    ) -> None:
        self._truth = truth
        self._model_id = model_id
        self._index = open_index(index, truth, model_id, dimension, subject_score)

    @classmethod
    def open(
        cls,
        location: str | Path,
        model_id: str,
        dimension: int,
        *,
        create: bool = True,
        subject_score: SubjectScore = "best",
        index: IndexPlace = LOCAL,
    ) -> Self:
        """Opens a gallery, making or upgrading it where needed; the index is loaded by the first search.

        Args:
            location: A folder, or a database URL.
            model_id: `arch.tag@sha8` of the embedder.
            dimension: Length of its vectors.
            create: Make the gallery if there is none.
            subject_score: As in the constructor.
            index: As in the constructor.

        Raises:
            GalleryError: There is none and `create` is false, or it cannot be made here.
            GalleryDamagedError: The database cannot be read.
            GalleryVersionError: It was made by a newer version.
            GalleryBusyError: Another process kept it locked.
            GalleryUnreachableError: The server of the database, or of the index, does not answer.
        """
        truth = Truth(Place.of(location), create=create)
        try:
            return cls(truth, model_id, dimension, subject_score, index)
        except BaseException:
            truth.close()
            raise

    def close(self) -> None:
        """Saves the index if that is worth it, and gives the database's connections back."""
        self._index.close()
        self._truth.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def model_id(self) -> str:
        """The model whose templates are held and searched."""
        return self._model_id

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._index.dimension

    # --- changing ---------------------------------------------------------------------------------------------

    def enrol(self, subject: str, new: Sequence[NewSample]) -> list[str]:
        """Adds samples to a subject, which is made if it is new; all of them or none.

        Returns:
            The samples' identities.

        Raises:
            SubjectNameError: The name cannot be used.
            DuplicatePhotoError: The same face of the same photo is enrolled already, for this subject or another.
            ValueError: A vector is not (dimension,) float32, finite and of unit length.
        """
        return self.enrol_many([(subject, sample) for sample in new])

    def enrol_many(self, items: Sequence[tuple[str, NewSample]]) -> list[str]:
        """Adds samples to several subjects in one transaction: all of them or none. Errors as `enrol`."""
        named = [(names.normalise(name), self._checked(sample)) for name, sample in items]
        if not named:
            return []
        with self._truth.writing() as connection:
            return enrolment.enrol(connection, named, self._model_id)

    def remove(self, name: str) -> int:
        """Removes a subject and everything that belongs to it; returns how many samples it had.

        Raises:
            SubjectNotFoundError: There is no such subject; the message suggests the closest names.
        """
        with self._erasing() as connection:
            return store.remove_subject(connection, names.normalise(name))

    def remove_sample(self, sample_id: str) -> None:
        """Removes one sample; its subject goes with the last one.

        Raises:
            SubjectNotFoundError: There is no such sample.
        """
        with self._erasing() as connection:
            store.remove_sample(connection, sample_id)

    def rename(self, old: str, new: str) -> None:
        """Gives a subject another name.

        Raises:
            SubjectNotFoundError: There is no such subject.
            SubjectExistsError: The new name is another subject's; `merge` joins the two.
            SubjectNameError: The new name cannot be used.
        """
        old, new = names.normalise(old), names.normalise(new)
        with self._erasing() as connection:
            store.rename(connection, old, new)

    def merge(self, source: str, target: str) -> int:
        """Moves every sample of `source` to `target` and removes `source`; returns how many were moved.

        Raises:
            SubjectNotFoundError: One of them does not exist.
            SubjectExistsError: Both are the same subject.
        """
        source, target = names.normalise(source), names.normalise(target)
        with self._erasing() as connection:
            return store.merge(connection, source, target)

    def split(self, sample_ids: Sequence[str], new_name: str) -> None:
        """Moves samples to a new subject; a subject left without samples goes.

        Raises:
            SubjectExistsError: The name is taken.
            SubjectNotFoundError: One of the samples does not exist.
            SubjectNameError: The name cannot be used.
        """
        new_name = names.normalise(new_name)
        if not sample_ids:
            return
        with self._erasing() as connection:
            store.split(connection, list(sample_ids), new_name)

    def put_document(self, kind: str, body: Mapping[str, Any]) -> None:
        """Keeps a JSON document with the gallery, in place of the one of this kind and the gallery's model.

        Raises:
            ValueError: The body is nothing that JSON knows.
            GalleryError: It is larger than a megabyte.
        """
        text = documents.encode(kind, body)
        with self._truth.writing() as connection:
            documents.write(connection, kind, self._model_id, text)

    def drop_document(self, kind: str) -> bool:
        """Removes the document of this kind and the gallery's model; returns whether there was one."""
        with self._truth.writing() as connection:
            return documents.drop(connection, kind, self._model_id)

    # --- asking -----------------------------------------------------------------------------------------------

    def subjects(self, *, limit: int | None = None, offset: int = 0, search: str | None = None) -> list[SubjectInfo]:
        """The subjects by name; `search` keeps those whose name contains it, whatever its case."""
        with self._truth.reading() as connection:
            return store.list_subjects(connection, limit, offset, search)

    def subject(self, name: str) -> SubjectDetail:
        """One subject and its samples.

        Raises:
            SubjectNotFoundError: There is no such subject; the message suggests the closest names.
        """
        name = names.normalise(name)
        with self._truth.reading() as connection:
            key = store.subject_id(connection, name)
            mine = store.list_samples(connection, key, self._model_id)
            created = connection.execute(sa.select(subjects.c.created_us).where(subjects.c.id == key)).scalar_one()
        return SubjectDetail(SubjectInfo(name, len(mine), store.as_time(created)), mine)

    def templates(self, name: str | None = None) -> list[Enrolled]:
        """The templates of the gallery's model, by subject, oldest first; of one subject where one is named.

        Raises:
            SubjectNotFoundError: There is no such subject.
        """
        with self._truth.reading() as connection:
            key = None if name is None else store.subject_id(connection, names.normalise(name))
            return store.list_templates(connection, self._model_id, key)

    def document(self, kind: str) -> dict[str, Any] | None:
        """The document of this kind and the gallery's model, as it was put; None where there is none.

        Raises:
            GalleryDamagedError: It is no JSON object any more.
        """
        with self._truth.reading() as connection:
            return documents.read(connection, kind, self._model_id)

    def __len__(self) -> int:
        """Subjects enrolled."""
        with self._truth.reading() as connection:
            return store.count(connection, subjects)

    @property
    def sample_count(self) -> int:
        """Samples enrolled."""
        with self._truth.reading() as connection:
            return store.count(connection, samples)

    @property
    def generation(self) -> int:
        """Grows with every change."""
        with self._truth.reading() as connection:
            return store.read_meta(connection).generation

    def search(self, templates: Templates, k: int = 2, *, threshold: float | None = None) -> list[Candidates]:
        """The k subjects most like each probe, by their best sample or, if opened so, by their fused template.

        Args:
            templates: (N, D) probes of the gallery's model.
            k: How many different subjects to return; fewer come back from a gallery with fewer.
            threshold: The score of the operating point, where the candidates are only wanted for a decision at it. A
                compressed index is much quicker to tell who reaches a score than who is nearest below it: subjects
                below the threshold then come with their exact scores, but nearer ones may be missing. No decision
                depends on those. The exact index takes no notice.

        Returns:
            One Candidates per probe, scores descending.

        Raises:
            ModelMismatchError: The probes come from another model.
            ValueError: k is below 1.
        """
        if templates.model_id != self._model_id or templates.vectors.shape[1] != self.dimension:
            raise ModelMismatchError(
                f"the probe comes from {templates.model_id} ({templates.vectors.shape[1]}-d), the gallery is searched "
                f"with {self._model_id} ({self.dimension}-d): embed both with one model"
            )
        return self._index.search(templates.vectors, k, threshold)

    def load(self, progress: Progress | None = None) -> None:
        """Brings the index in memory up to date; a search does this by itself.

        Args:
            progress: Told (done, total) templates while the index is read from the database.
        """
        self._index.load(progress)

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
        with self._truth.writing(erases=True) if repair else self._truth.reading() as connection:
            problems += check.broken_references(connection, repair=repair)
            problems += check.bad_vectors(connection, self._model_id, self.dimension, repair=repair)
            problems += check.other_models(connection, self._model_id)
        problems += self._index.check(repair=repair)
        return problems + check.leftovers(self._truth, repair=repair)

    def backup(self, file: str | Path) -> None:
        """Writes one consistent state to one new file, while others go on. Errors: `upkeep.backup`."""
        upkeep.backup(self._truth, Path(file))

    @staticmethod
    def restore(file: str | Path, location: str | Path) -> None:
        """Replaces everything in the gallery at `location` by a backup. Errors: `upkeep.restore`."""
        upkeep.restore(Path(file), location)

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

    @contextmanager
    def _erasing(self) -> Iterator[Connection]:
        """A write after which nothing that it removed is left, in an engine elsewhere either."""
        with self._truth.writing(erases=True) as connection:
            yield connection
        self._index.erased()

    def _checked(self, sample: NewSample) -> NewSample:
        vector = sample.vector
        if not isinstance(vector, np.ndarray) or vector.dtype != np.float32 or vector.shape != (self.dimension,):
            raise ValueError(f"the vector of a sample must be float32 of shape ({self.dimension},)")
        if len(bad_rows(vector[None])):
            raise ValueError("the vector of a sample must be finite and of unit length")
        if np.shape(sample.landmarks) != (5, 2):
            raise ValueError("the landmarks of a sample must have shape (5, 2)")
        return sample
