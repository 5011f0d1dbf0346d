"""Removing, renaming and rearranging what is enrolled. Every function runs inside a transaction of the caller's.

As in `store`: each first bumps the generation. All of these say that something is gone, so that an index that was saved
with it is not used again; removed templates leave tombstones for the processes that have them in memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import SubjectExistsError, SubjectNotFoundError
from pipeline.gallery import bound, names, programs
from pipeline.gallery.schema import removed, samples, subjects, templates
from pipeline.gallery.store import bump, chunks, subject_id, subject_ids, uid_of
from pipeline.gallery.times import now_us


def remove_subject(connection: Connection, name: str) -> int:
    """Removes a subject with everything that belongs to it; returns how many samples it had."""
    key = subject_id(connection, name)
    programs.require_none(connection)
    generation = bump(connection, removal=True)
    mine = sa.select(samples.c.id).where(samples.c.subject_id == key)
    _bury(connection, mine, generation)
    count = programs.delete(connection, samples, samples.c.subject_id == key)
    programs.delete(connection, subjects, subjects.c.id == key)
    return count


def _bury(connection: Connection, sample_ids: sa.Select[tuple[int]], generation: int) -> None:
    """Removes the samples' templates of every model and leaves tombstones."""
    dead = sa.select(templates.c.id, sa.literal(generation)).where(templates.c.sample_id.in_(sample_ids))
    connection.execute(sa.insert(removed).from_select(["template_id", "generation"], dead))
    programs.delete(connection, templates, templates.c.sample_id.in_(sample_ids))


def remove_sample(connection: Connection, uid: str) -> None:
    """Removes one sample; its subject goes with the last one.

    Raises:
        SubjectNotFoundError: There is no such sample.
    """
    row = connection.execute(sa.select(samples.c.id, samples.c.subject_id).where(samples.c.uid == uid)).one_or_none()
    if row is None:
        raise _no_sample(uid)
    programs.require_none(connection)
    generation = bump(connection, removal=True)
    _bury(connection, sa.select(samples.c.id).where(samples.c.id == row.id), generation)
    programs.delete(connection, samples, samples.c.id == row.id)
    _drop_if_empty(connection, row.subject_id)


def _no_sample(uid: str) -> SubjectNotFoundError:
    return SubjectNotFoundError(f"there is no sample {names.shown(uid)}: see `knownface gallery show SUBJECT`")


def _drop_if_empty(connection: Connection, key: int) -> None:
    rest = sa.select(samples.c.id).where(samples.c.subject_id == key).exists()
    programs.delete(connection, subjects, (subjects.c.id == key) & ~rest)


def rename(connection: Connection, old: str, new: str) -> None:
    """Gives a subject another name.

    Raises:
        SubjectNotFoundError: There is no such subject.
        SubjectExistsError: The new name is another subject's.
    """
    key = subject_id(connection, old)
    if old == new:
        return
    if connection.execute(sa.select(subjects.c.id).where(subjects.c.name == new)).scalar() is not None:
        raise SubjectExistsError(
            f"there is a subject {names.shown(new)} already: if both are one person, "
            f"join them with `knownface gallery merge {names.shown(old)} {names.shown(new)}`"
        )
    generation = bump(connection, removal=True)  # the old name must leave the saved index too
    folded = bound.folded(connection, new, uid_of(connection, old), key)
    values = {"name": new, "folded": folded, "changed": generation}
    connection.execute(sa.update(subjects).where(subjects.c.id == key).values(values))


def merge(connection: Connection, source: str, target: str) -> int:
    """Moves every sample of `source` to `target` and removes `source`; returns how many were moved."""
    from_key, to_key = subject_id(connection, source), subject_id(connection, target)
    if from_key == to_key:
        raise SubjectExistsError(f"{names.shown(source)} is one subject: give two to merge")
    generation = bump(connection, removal=True)
    mine = samples.c.subject_id == from_key
    bound.bind(connection, mine, to_key)
    count = connection.execute(sa.update(samples).where(mine).values(subject_id=to_key, changed=generation)).rowcount
    programs.delete(connection, subjects, subjects.c.id == from_key)
    return int(count)


def split(connection: Connection, uids: Sequence[str], new: str) -> None:
    """Moves samples to a new subject; a subject that is left without samples goes.

    Raises:
        SubjectExistsError: The name is taken.
        SubjectNotFoundError: One of the samples is not there.
    """
    if connection.execute(sa.select(subjects.c.id).where(subjects.c.name == new)).scalar() is not None:
        raise SubjectExistsError(f"there is a subject {names.shown(new)} already: choose another name")
    owners: dict[str, int] = {}
    for chunk in chunks(uids):
        query = sa.select(samples.c.uid, samples.c.subject_id).where(samples.c.uid.in_(chunk))
        owners.update((uid, owner) for uid, owner in connection.execute(query))
    if missing := [uid for uid in uids if uid not in owners]:
        raise _no_sample(missing[0])
    generation = bump(connection, removal=True)
    key = subject_ids(connection, [new], generation, now_us())[new]
    for chunk in chunks(uids):
        some = samples.c.uid.in_(chunk)
        bound.bind(connection, some, key)
        connection.execute(sa.update(samples).where(some).values(subject_id=key, changed=generation))
    for owner in set(owners.values()):
        _drop_if_empty(connection, owner)
