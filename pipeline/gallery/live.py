"""The index of an open gallery: loaded by the first search, brought up to date by every search, saved on closing."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

from pipeline.errors import GalleryBusyError
from pipeline.gallery import check, index_choice, store
from pipeline.gallery.codes import Progress
from pipeline.gallery.faiss_index import FaissIndex
from pipeline.gallery.mirror import Mirror
from pipeline.gallery.records import Problem
from pipeline.gallery.snapshot import file_for
from pipeline.gallery.truth import Truth
from pipeline.gallery.vault.kept import sealer_of
from pipeline.types import F32, Candidates, SubjectScore

SAVE_FROM = 20_000
"""From this many templates on, closing saves the index; fewer are read from the database in a tenth of a second."""

_log = logging.getLogger(__name__)


class LiveIndex:
    """A mirror of the truth that is never behind a commit that was over before a search began."""

    def __init__(self, truth: Truth, model_id: str, dimension: int, subject_score: SubjectScore = "best") -> None:
        self._truth = truth
        self._mirror = Mirror(model_id, dimension, subject_score)
        self._lock = threading.Lock()  # one thread at a time brings the mirror up to date
        self._version: int | None = -1  # the truth's version that the mirror has followed
        self._file = None if truth.folder is None else file_for(truth.folder, model_id)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._mirror.dimension

    @property
    def file(self) -> Path | None:
        """Where it is saved; None on a server."""
        return self._file

    def load(self, progress: Progress | None = None) -> None:
        """Brings the index up to date; costs one cheap question when nobody committed since the last time."""
        with self._lock:
            version = self._truth.version()
            if version is not None and version == self._version:
                return
            must_go = False
            try:
                with self._truth.reading() as connection:
                    if self._mirror.at is None and self._file is not None:
                        must_go = self._mirror.start(connection, self._file)
                    self._mirror.follow(connection, progress)
            except GalleryBusyError:
                self._mirror.at = None  # what was read may be of two states: read it anew
                raise
            self._version = version
            if must_go and self._file is not None and not self._truth.read_only:
                self._file.unlink(missing_ok=True)
                self._truth.erase()
            self._truth.clear_leftovers()

    def search(self, vectors: F32, k: int, threshold: float | None = None) -> list[Candidates]:
        """The k subjects most like each of (Q, D) unit rows, by their best sample or fused template.

        Below the threshold, where there is one, they need not be the most similar; see `FaissIndex.search_labels`.
        """
        floor = -1.0 if threshold is None else threshold
        while True:
            self.load()
            _, names, answers = self._mirror.published
            found = answers.search_labels(vectors, k, floor)
            try:
                return [Candidates(tuple([names[key] for key in labels.tolist()]), scores) for scores, labels in found]
            except KeyError:  # a subject went while we searched: ask the newer index
                continue

    def loaded(self) -> FaissIndex:
        """The index that a search is asked of, up to date."""
        self.load()
        return self._mirror.answers

    def erased(self) -> None:
        """Nothing to do: the truth has dropped the file, and what is in memory follows with the next search."""

    def compact(self) -> None:
        """Nothing to do; see `erased`."""

    def save(self) -> bool:
        """Saves the index; returns whether it was: not on a server, on a full disk, or while another process does."""
        with self._lock:
            return self._save()

    def close(self) -> None:
        """Saves the index if that spares the next process much reading."""
        with self._lock:
            at = self._mirror.at
            if at is not None and len(self._mirror.index) >= SAVE_FROM and self._mirror.saved != at.generation:
                self._save()

    def _save(self) -> bool:
        file, at = self._file, self._mirror.at
        if file is None or at is None:
            return False
        with self._truth.file_lock() as held:
            if not held:
                return False
            with self._truth.reading() as connection:
                sealer = sealer_of(connection.dialect)
            try:
                self._mirror.save(file, sealer)
            except OSError as error:
                _log.warning("the index was not saved: %s", error)
                return False
        with self._truth.reading() as connection:
            outdated = store.read_meta(connection).removal > at.generation
        if outdated:  # somebody erased something while we wrote
            file.unlink(missing_ok=True)
        return not outdated

    def check(self, *, repair: bool) -> list[Problem]:
        """The index in memory and the one on disk, each held against the truth."""
        with self._lock, self._truth.reading() as connection:
            return check.index_problems(connection, self._mirror, self._file, repair=repair)

    def figures(self) -> dict[str, Any]:
        """What there is in memory, as it goes into JSON."""
        with self._lock:
            mirror = self._mirror
            coding = mirror.answers.coding
            if mirror.at is None:  # nothing is loaded: what the first search will use
                with self._truth.reading() as connection:
                    coding = index_choice.chosen(connection, mirror.model_id, mirror.dimension)
            return {
                "method": "exact" if coding is None else coding.as_document()["method"],
                "code_bits": None if coding is None else coding.bits,
                "first_pass": None if coding is None else coding.first,
                "loaded": mirror.at is not None,
                "subject_score": mirror.subject_score,
                "vectors": len(mirror.index),
                "vector_bytes": 4 * mirror.dimension * (len(mirror.index) + mirror.fused_count),
                "saved_generation": mirror.saved if mirror.saved >= 0 else None,
                "damaged_templates": len(mirror.skipped),
            }
