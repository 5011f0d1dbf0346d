"""Who is enrolled, and who a probe is most like: all that one asks of a gallery without changing it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from pipeline.errors import ModelMismatchError
from pipeline.gallery import documents, in_use, listing, names, store, times
from pipeline.gallery.audit import NOBODY, Scribe
from pipeline.gallery.codes import Progress
from pipeline.gallery.engine import Place
from pipeline.gallery.in_use import InUse, Model
from pipeline.gallery.index_place import LOCAL, IndexPlace, open_index
from pipeline.gallery.left_behind import LeftBehind
from pipeline.gallery.records import Enrolled, SubjectDetail, SubjectInfo
from pipeline.gallery.schema import samples, subjects
from pipeline.gallery.schema import templates as templates_table
from pipeline.gallery.truth import Truth
from pipeline.gallery.vault.kept import opened
from pipeline.gallery.vault.master import NO_KEY, KeyPlaces
from pipeline.gallery.vault.sealer import CROP
from pipeline.types import Candidates, SubjectScore, Templates


class GalleryReader:
    """Subjects, their samples and templates, and the search among them.

    Args:
        truth: Its database, open.
        model_id: The model whose templates it holds and searches.
        dimension: Length of a vector of that model.
        subject_score: Whether a search takes each subject's best sample, or the template fused over its samples.
        index: Where it is searched.
        scribe: In whose name its changes are written into the audit log, and who signs that.
    """

    def __init__(
        self,
        truth: Truth,
        model_id: str,
        dimension: int,
        subject_score: SubjectScore = "best",
        index: IndexPlace = LOCAL,
        scribe: Scribe = NOBODY,
    ) -> None:
        self._truth = truth
        self._owns_truth = True
        self._scribe = scribe
        self._model_id = model_id
        self._searched = (subject_score, index)
        self._index = open_index(index, truth, model_id, dimension, subject_score)
        self._in_use: tuple[int | None, InUse | None] = (None, None)

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
        scribe: Scribe = NOBODY,
        keys: KeyPlaces = NO_KEY,
    ) -> Self:
        """Opens a gallery, making or upgrading it where needed; the index is loaded by the first search.

        Args:
            location: A folder, or a database URL.
            model_id: `arch.tag@sha8` of the embedder.
            dimension: Length of its vectors.
            create: Make the gallery if there is none.
            subject_score: As in the constructor.
            index: As in the constructor.
            scribe: As in the constructor.
            keys: Where the key of an encrypted gallery is.

        Raises:
            GalleryError: There is none and `create` is false, or it cannot be made here.
            GalleryDamagedError: The database cannot be read.
            GalleryVersionError: It was made by a newer version.
            GalleryBusyError: Another process kept it locked.
            GalleryUnreachableError: The server of the database, or of the index, does not answer.
            VaultLockedError: It is encrypted, and the key is missing or another.
        """
        truth = Truth(Place.of(location), create=create, keys=keys)
        try:
            return cls(truth, model_id, dimension, subject_score, index, scribe)
        except BaseException:
            truth.close()
            raise

    def close(self) -> None:
        """Saves the index if that is worth it, and gives the database's connections back."""
        self._index.close()
        if self._owns_truth:
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

    @property
    def model(self) -> Model:
        """The model whose templates are held and searched."""
        return Model(self._model_id, self.dimension)

    def in_use(self) -> InUse | None:
        """With which model the gallery says it is searched; None where it does not say.

        Costs one cheap question while nobody commits.

        Raises:
            GalleryDamagedError: It cannot be read any more.
        """
        version = self._truth.version()
        known, state = self._in_use
        if version is None or version != known:
            with self._truth.reading() as connection:
                state = in_use.read(connection)
            self._in_use = (version, state)
        return state

    def of_model(self, model: Model) -> Self:
        """The same gallery, held and searched by another model.

        It shares the database's connections: close it before this one.
        """
        score, index = self._searched
        other = type(self)(self._truth, model.model_id, model.dimension, score, index, self._scribe)
        other._owns_truth = False
        return other

    def left_behind(self, model: Model) -> LeftBehind:
        """The people who have templates of this model and none of the gallery's own, searched by it."""
        return LeftBehind(self._truth, model, self._model_id, self._searched[0])

    def subjects(
        self, *, limit: int | None = None, offset: int = 0, search: str | None = None, after: str | None = None
    ) -> list[SubjectInfo]:
        """The subjects by name; `search` keeps those whose name contains it, whatever its case.

        Args:
            limit: How many at most.
            offset: Leaves out so many.
            search: What a name contains.
            after: Only those behind this name, which need not be there any more.
        """
        with self._truth.reading() as connection:
            return listing.list_subjects(connection, limit, offset, search, after)

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
        return SubjectDetail(SubjectInfo(name, len(mine), times.as_time(created)), mine)

    def picture(self, name: str) -> bytes | None:
        """PNG of a subject's face, the oldest that is kept (setting `keep_crops`); None where there is none."""
        query = sa.select(samples.c.crop, samples.c.uid).join(subjects, subjects.c.id == samples.c.subject_id)
        query = query.where(subjects.c.name == name, samples.c.crop.is_not(None)).order_by(samples.c.id).limit(1)
        with self._truth.reading() as connection:
            row = connection.execute(query).first()
            return None if row is None else opened(connection, bytes(row.crop), CROP, row.uid)

    def crops(self, sample_ids: Sequence[str]) -> dict[str, bytes]:
        """PNG of the faces of these samples, where they are kept (setting `keep_crops`)."""
        query = sa.select(samples.c.uid, samples.c.crop)
        with self._truth.reading() as connection:
            found = connection.execute(query.where(samples.c.uid.in_(sample_ids), samples.c.crop.is_not(None)))
            return {uid: bytes(crop) for uid, crop in found}

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
        return self.document_of(kind, self._model_id)

    def document_of(self, kind: str, model_id: str) -> dict[str, Any] | None:
        """The document of this kind and any model. As `document`."""
        with self._truth.reading() as connection:
            return documents.read(connection, kind, model_id)

    def __len__(self) -> int:
        """Subjects enrolled."""
        with self._truth.reading() as connection:
            return store.count(connection, subjects)

    @property
    def sample_count(self) -> int:
        """Samples enrolled."""
        with self._truth.reading() as connection:
            return store.count(connection, samples)

    def models_instead(self) -> list[str]:
        """The models that all templates held are of, by name, where none is of the gallery's; else none."""
        with self._truth.reading() as connection:
            mine = sa.select(templates_table.c.id).where(templates_table.c.model_id == self._model_id).limit(1)
            if connection.execute(mine).first() is not None:
                return []
            of = templates_table.c.model_id
            return list(connection.execute(sa.select(of).distinct().order_by(of)).scalars())

    @property
    def generation(self) -> int:
        """Grows with every change."""
        with self._truth.reading() as connection:
            return store.read_meta(connection).generation

    @property
    def state(self) -> str:
        """Which gallery this is, and its generation: two that are equal give every search the same answer."""
        with self._truth.reading() as connection:
            meta = store.read_meta(connection)
        return f"{meta.gallery_id}@{meta.generation}"

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
