"""The change of a gallery to another model: templates of the new one beside the old, then one step to them.

Every batch is one transaction, so a process that is killed loses no more than a batch, and whoever goes on begins with
the samples that still lack a template. The old templates stay: going back is the same step. What may be lost is said
before: `commit` refuses while a sample lacks a template, except those it is told to leave behind.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import GalleryBusyError, SwitchRefusedError
from pipeline.gallery import documents, in_use, names, private, server
from pipeline.gallery.audit import NOBODY, Note, Scribe
from pipeline.gallery.check import remove_templates
from pipeline.gallery.engine import DATABASE
from pipeline.gallery.in_use import OF_ALL, InUse, Model
from pipeline.gallery.logged import changing
from pipeline.gallery.schema import documents as documents_table
from pipeline.gallery.schema import samples, subjects, templates
from pipeline.gallery.store import bump, read_meta
from pipeline.gallery.truth import Truth
from pipeline.gallery.vault.kept import by_name, opened, vector_identity
from pipeline.gallery.vault.sealer import VECTOR
from pipeline.gallery.waiting import Made, Waiting, insert, lacks, select, subject_lacks

PROGRESS = "switch"
"""Kind of the document that tells how far a change is."""
LOCK = "switch.lock"
_LOCK_S = 2.0
AT_ONCE = 16
"""Samples that are embedded within the step, at most: enrolments wait for it."""


class Switching:
    """What a change to another model asks of the truth and does to it."""

    def __init__(self, truth: Truth, scribe: Scribe = NOBODY) -> None:
        self._truth = truth
        self._scribe = scribe

    def state(self) -> InUse | None:
        """What the gallery says about its models."""
        with self._truth.reading() as connection:
            return in_use.read(connection)

    def count(self, model_id: str) -> tuple[int, int]:
        """How many samples there are, and how many of them have no template of a model."""
        with self._truth.reading() as connection:
            every = sa.select(sa.func.count()).select_from(samples)
            lacking = every.where(lacks(model_id))
            return int(connection.execute(every).scalar_one()), int(connection.execute(lacking).scalar_one())

    def waiting(self, model_id: str, *, after: int = 0, limit: int, heads: bool = False) -> list[Waiting]:
        """Samples without a template of a model, by ascending row.

        Args:
            model_id: The model.
            after: Only rows behind this one.
            limit: At most so many.
            heads: Only the first bytes of the crops, which say how large they are.
        """
        with self._truth.reading() as connection:
            return select(connection, (samples.c.id > after) & lacks(model_id), limit=limit, heads=heads)

    def begin(self, model: Model) -> None:
        """Notes with which model the gallery is searched, unless it says so already."""
        with changing(self._truth, self._scribe) as (connection, log):
            if in_use.read(connection) is None:
                in_use.write(connection, InUse(model))
                log.append(Note("model_begin", _target(model)))

    def add(self, model: Model, rows: Sequence[Made], progress: dict[str, Any]) -> int:
        """Keeps templates and the progress, in one transaction; returns how many templates were new.

        Args:
            model: The model of the templates.
            rows: Row of the sample, norm and unit vector (D,) float32 of each. Samples that were removed meanwhile,
                or have such a template already, are left out.
            progress: As it stands after this; becomes the document PROGRESS.
        """
        with changing(self._truth, self._scribe) as (connection, log):
            new = insert(connection, model.model_id, rows)
            _note(connection, progress)
            if new:
                log.append(Note("model_embed", _target(model), {"samples": new}))
        return new

    def note(self, progress: dict[str, Any]) -> None:
        """Keeps how far the change is."""
        with self._truth.writing() as connection:
            _note(connection, progress)

    def progress(self) -> dict[str, Any] | None:
        """How far the last change is, whoever does it; None where there was none.

        To what was noted it adds `running`: whether a process is at it now.
        """
        with self._truth.reading() as connection:
            found = documents.read(connection, PROGRESS, OF_ALL)
        return None if found is None else found | {"running": self._is_held()}

    def commit(
        self,
        model: Model,
        left: Collection[int],
        copies: Mapping[str, Mapping[str, Any]],
        progress: dict[str, Any],
        embed: Callable[[list[Waiting]], Sequence[Made]] | None = None,
    ) -> bool:
        """The step: from here on the gallery is searched with the model. Nothing happens while somebody would be lost.

        Args:
            model: The new model; it may be the one in use, for what was left behind.
            left: Rows of the samples that may stay without a template of it.
            copies: Documents of the new model, by kind, to be kept with the step.
            progress: Becomes the document PROGRESS.
            embed: Makes templates of the few samples that came just before the step, while enrolments wait; without
                it, they are a reason not to take the step.

        Returns:
            Whether it was done; if not, samples without a template have come meanwhile.

        Raises:
            SwitchRefusedError: Somebody was left behind by an earlier change and would not be found any more.
        """
        with changing(self._truth, self._scribe) as (connection, log):
            bump(connection)  # on a server: waits for enrolments under way, and those to come see what is written here
            lacking = sa.select(samples.c.id).where(lacks(model.model_id))
            waiting = set(connection.execute(lacking).scalars())
            if embed is not None and 0 < len(new := waiting - set(left)) <= AT_ONCE:
                insert(connection, model.model_id, embed(select(connection, samples.c.id.in_(new))))
                waiting = set(connection.execute(lacking).scalars())
            if not waiting <= set(left):
                return False
            before = in_use.read(connection)
            _keep_reach(connection, before, model)
            in_use.write(connection, _after(connection, before, model))
            for kind, body in copies.items():
                documents.write(connection, kind, model.model_id, documents.encode(kind, body))
            _note(connection, progress)
            log.append(Note("model_switch", _target(model), {"left_behind": len(waiting)}))
        return True

    def documents_of(self, model_id: str) -> dict[str, dict[str, Any]]:
        """The documents of a model, by kind."""
        with self._truth.reading() as connection:
            query = sa.select(documents_table.c.kind).where(documents_table.c.model_id == model_id)
            kinds = list(connection.execute(query).scalars())
            found = {kind: documents.read(connection, kind, model_id) for kind in kinds}
        return {kind: body for kind, body in found.items() if body is not None}

    def subjects_left(self, model_id: str) -> list[str]:
        """The subjects none of whose samples has a template of a model, by name."""
        with self._truth.reading() as connection:
            query = sa.select(subjects.c.name).where(subject_lacks(model_id)).order_by(subjects.c.folded)
            return by_name(connection, connection.execute(query).scalars(), str)

    def models(self) -> dict[str, int]:
        """How many templates there are of each model."""
        with self._truth.reading() as connection:
            query = sa.select(templates.c.model_id, sa.func.count()).group_by(templates.c.model_id)
            return {model_id: int(count) for model_id, count in connection.execute(query)}

    def dimension_of(self, model_id: str) -> int | None:
        """Length of the vectors of a model, by those that are there; None where there are none."""
        with self._truth.reading() as connection:
            query = sa.select(templates.c.vector, samples.c.id, samples.c.subject_id)
            query = query.join(samples, samples.c.id == templates.c.sample_id).where(templates.c.model_id == model_id)
            row = connection.execute(query.limit(1)).first()
            if row is None:
                return None
            place = vector_identity(row.id, model_id, row.subject_id)
            return len(opened(connection, row.vector, VECTOR, place)) // 4

    def forget(self) -> int:
        """Removes the templates and documents of every model that nobody is searched by; returns how many templates.

        There is no way back to those models afterwards.
        """
        with changing(self._truth, self._scribe, erases=True) as (connection, log):
            state = in_use.read(connection)
            if state is None:
                return 0
            bump(connection)
            kept = [model.model_id for model in (state.model, state.left_behind) if model is not None]
            others = templates.c.model_id.not_in(kept)
            count = int(
                connection.execute(sa.select(sa.func.count()).select_from(templates).where(others)).scalar_one()
            )
            if count:
                remove_templates(connection, others)
            connection.execute(sa.delete(documents_table).where(documents_table.c.model_id.not_in([*kept, OF_ALL])))
            in_use.write(connection, InUse(state.model, None, state.left_behind))
            log.append(Note("model_forget", "", {"kept": kept, "templates": count}))
        return count

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One change of a gallery at a time.

        Raises:
            GalleryBusyError: Another process is at it.
        """
        busy = GalleryBusyError(
            f"{self._truth.place.label}: another process is changing the model, or the key: "
            "see `knownface models status` and `knownface vault status`"
        )
        folder = self._truth.folder
        if folder is None:
            with server.switch_lock(self._truth.engine) as held:
                if not held:
                    raise busy
                yield
            return
        from filelock import Timeout  # noqa: PLC0415

        lock = private.lock(folder / LOCK, _LOCK_S, beside=folder / DATABASE)
        try:
            lock.acquire()
        except Timeout as error:
            raise busy from error
        try:
            yield
        finally:
            lock.release()

    def _is_held(self) -> bool:
        folder = self._truth.folder
        if folder is None:
            with server.switch_lock(self._truth.engine) as held:
                return not held
        if self._truth.read_only or not (folder / LOCK).exists():
            return False
        from filelock import Timeout  # noqa: PLC0415

        lock = private.lock(folder / LOCK, 0, beside=folder / DATABASE)
        try:
            lock.acquire()
        except Timeout:
            return True
        lock.release()
        return False


def _target(model: Model) -> str:
    return f"model:{model.model_id}"


def _keep_reach(connection: Connection, before: InUse | None, model: Model) -> None:
    """Refuses a step that nobody could follow who was left behind by an earlier one."""
    if before is None or before.left_behind is None or before.model == model:
        return
    neither = subject_lacks(model.model_id) & subject_lacks(before.model.model_id)
    left = list(connection.execute(sa.select(subjects.c.name).where(neither).limit(3)).scalars())
    if left:
        said = (
            "left behind by an earlier change, and would not be found any more "
            f"after one to {model.model_id}: enrol them again first, or go back with `knownface models rollback`"
        )
        raise SwitchRefusedError(f"{', '.join(map(names.shown, left))}: {said}", nameless=f"some people were {said}")


def _after(connection: Connection, before: InUse | None, model: Model) -> InUse:
    """What the gallery says after the step."""
    old = before.model if before is not None else None
    if old == model or old is None:
        left = None if before is None else before.left_behind
        previous = None if before is None else before.previous
    else:
        left = previous = old
    nobody_left = (
        connection.execute(sa.select(subjects.c.id).where(subject_lacks(model.model_id)).limit(1)).first() is None
    )
    return InUse(model, previous, None if nobody_left else left)


def _note(connection: Connection, progress: dict[str, Any]) -> None:
    stamped = progress | {"pid": os.getpid(), "updated_us": time.time_ns() // 1000}
    stamped["generation"] = read_meta(connection).generation
    documents.write(connection, PROGRESS, OF_ALL, documents.encode(PROGRESS, stamped))


def forget_message(connection: Connection, name: str) -> None:
    """Takes out what the last change said, where it names somebody: an earlier version kept names there."""
    found = documents.read(connection, PROGRESS, OF_ALL)
    if found is not None and name.casefold() in str(found.get("message", "")).casefold():
        documents.write(connection, PROGRESS, OF_ALL, documents.encode(PROGRESS, found | {"message": ""}))
