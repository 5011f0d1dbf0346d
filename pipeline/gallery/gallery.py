"""The gallery: who is enrolled, and who a probe is most like. Commit first, then publish."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.errors import ModelMismatchError
from pipeline.gallery import check, enrolment, names, store
from pipeline.gallery.engine import Place, make_engine, named_errors, prepare, reading, writing
from pipeline.gallery.index import bad_rows
from pipeline.gallery.mirror import Mirror, Progress
from pipeline.gallery.records import NewSample, Problem, SubjectDetail, SubjectInfo
from pipeline.gallery.schema import samples, subjects
from pipeline.types import Candidates, Templates


class Gallery:
    """Subjects, their samples and templates, and the search among them.

    One Gallery may be shared by threads, and many processes may open the same one. A method that changes something
    returns when the change is durable; every search that begins afterwards, in any process, sees it.

    Args:
        place: Where it lives.
        engine: Its database.
        model_id: The model whose templates it holds and searches.
        dimension: Length of a vector of that model.
    """

    def __init__(self, place: Place, engine: Engine, model_id: str, dimension: int) -> None:
        self._place = place
        self._engine = engine
        self._model_id = model_id
        self._mirror = Mirror(model_id, dimension)
        self._follow_lock = threading.Lock()
        self._write_lock = threading.Lock()  # orders this process's writers; the database orders processes
        self._watch: Any = None  # one connection that never writes: data_version tells it what others committed
        self._data_version: int | None = -1

    @classmethod
    def open(cls, location: str | Path, model_id: str, dimension: int, *, create: bool = True) -> Self:
        """Opens a gallery, making or upgrading it where needed; the index is loaded by the first search.

        Args:
            location: A folder, or a database URL.
            model_id: `arch.tag@sha8` of the embedder.
            dimension: Length of its vectors.
            create: Make the gallery if there is none.

        Raises:
            GalleryError: There is none and `create` is false, or it cannot be made here.
            GalleryDamagedError: The database cannot be read.
            GalleryVersionError: It was made by a newer version.
            GalleryBusyError: Another process kept it locked.
        """
        place = Place.of(location)
        engine = make_engine(place)
        try:
            with named_errors(place.label):
                prepare(place, engine, create=create)
        except BaseException:
            engine.dispose()
            raise
        return cls(place, engine, model_id, dimension)

    def close(self) -> None:
        """Gives the database's connections back."""
        with self._follow_lock:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
        self._engine.dispose()

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
        return self._mirror.dimension

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
        with self._writing() as connection:
            return enrolment.enrol(connection, named, self._model_id)

    def remove(self, name: str) -> int:
        """Removes a subject and everything that belongs to it; returns how many samples it had.

        Raises:
            SubjectNotFoundError: There is no such subject; the message suggests the closest names.
        """
        with self._writing(erases=True) as connection:
            return store.remove_subject(connection, names.normalise(name))

    def remove_sample(self, sample_id: str) -> None:
        """Removes one sample; its subject goes with the last one.

        Raises:
            SubjectNotFoundError: There is no such sample.
        """
        with self._writing(erases=True) as connection:
            store.remove_sample(connection, sample_id)

    def rename(self, old: str, new: str) -> None:
        """Gives a subject another name.

        Raises:
            SubjectNotFoundError: There is no such subject.
            SubjectExistsError: The new name is another subject's; `merge` joins the two.
            SubjectNameError: The new name cannot be used.
        """
        old, new = names.normalise(old), names.normalise(new)
        with self._writing(erases=True) as connection:
            store.rename(connection, old, new)

    def merge(self, source: str, target: str) -> int:
        """Moves every sample of `source` to `target` and removes `source`; returns how many were moved.

        Raises:
            SubjectNotFoundError: One of them does not exist.
            SubjectExistsError: Both are the same subject.
        """
        source, target = names.normalise(source), names.normalise(target)
        with self._writing(erases=True) as connection:
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
        with self._writing(erases=True) as connection:
            store.split(connection, list(sample_ids), new_name)

    # --- asking -----------------------------------------------------------------------------------------------

    def subjects(self, *, limit: int | None = None, offset: int = 0, search: str | None = None) -> list[SubjectInfo]:
        """The subjects by name; `search` keeps those whose name contains it, whatever its case."""
        with self._reading() as connection:
            return store.list_subjects(connection, limit, offset, search)

    def subject(self, name: str) -> SubjectDetail:
        """One subject and its samples.

        Raises:
            SubjectNotFoundError: There is no such subject; the message suggests the closest names.
        """
        name = names.normalise(name)
        with self._reading() as connection:
            key = store.subject_id(connection, name)
            mine = store.list_samples(connection, key, self._model_id)
            created = connection.execute(sa.select(subjects.c.created_us).where(subjects.c.id == key)).scalar_one()
        return SubjectDetail(SubjectInfo(name, len(mine), store.as_time(created)), mine)

    def __len__(self) -> int:
        """Subjects enrolled."""
        with self._reading() as connection:
            return store.count(connection, subjects)

    @property
    def sample_count(self) -> int:
        """Samples enrolled."""
        with self._reading() as connection:
            return store.count(connection, samples)

    @property
    def generation(self) -> int:
        """Grows with every change."""
        with self._reading() as connection:
            return store.read_meta(connection).generation

    def search(self, templates: Templates, k: int = 2) -> list[Candidates]:
        """The k subjects most like each probe, by their best sample.

        Args:
            templates: (N, D) probes of the gallery's model.
            k: How many different subjects to return; fewer come back from a gallery with fewer.

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
        while True:
            self.load()
            index, named = self._mirror.published
            found = index.search_labels(templates.vectors, k)
            try:
                return [Candidates(tuple(named[key] for key in labels.tolist()), scores) for scores, labels in found]
            except KeyError:  # a subject went while we searched: ask the newer index
                continue

    def load(self, progress: Progress | None = None) -> None:
        """Brings the index in memory up to date; a search does this by itself.

        Args:
            progress: Told (done, total) templates while the index is read from the database.
        """
        with self._follow_lock, named_errors(self._place.label):
            version = self._version()
            if version is not None and version == self._data_version:
                return
            with reading(self._engine) as connection:
                self._mirror.follow(connection, progress)
            self._data_version = version

    def check(self, *, repair: bool = False) -> list[Problem]:
        """Looks for everything that can be wrong; see `Problem`.

        Args:
            repair: Put right what can be put right without inventing anything.
        """
        with self._reading() as connection:
            problems = check.damaged_pages(connection)
        if problems:
            return problems  # nothing else can be trusted
        with self._writing() if repair else self._reading() as connection:
            problems += check.broken_references(connection, repair=repair)
            problems += check.bad_vectors(connection, self._model_id, self.dimension, repair=repair)
            problems += check.other_models(connection, self._model_id)
        return problems

    # --- inside -----------------------------------------------------------------------------------------------

    def _checked(self, sample: NewSample) -> NewSample:
        vector = sample.vector
        if not isinstance(vector, np.ndarray) or vector.dtype != np.float32 or vector.shape != (self.dimension,):
            raise ValueError(f"the vector of a sample must be float32 of shape ({self.dimension},)")
        if len(bad_rows(vector[None])):
            raise ValueError("the vector of a sample must be finite and of unit length")
        if np.shape(sample.landmarks) != (5, 2):
            raise ValueError("the landmarks of a sample must have shape (5, 2)")
        return sample

    @contextmanager
    def _writing(self, *, erases: bool = False) -> Iterator[Connection]:  # noqa: ARG002
        with self._write_lock, named_errors(self._place.label), writing(self._engine) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with named_errors(self._place.label), reading(self._engine) as connection:
            yield connection

    def _version(self) -> int | None:
        """A number that changes iff somebody commits; None where there is none, so that one has to look."""
        if self._place.folder is None:
            return None
        if self._watch is None:
            self._watch = self._engine.raw_connection()
        return int(self._watch.cursor().execute("PRAGMA data_version").fetchone()[0])
