"""The truth: what is enrolled, in SQL. Every function here runs inside a transaction that the caller opened.

Each write first bumps `meta.generation` (on a server that row's lock puts the writers in order; SQLite has one writer
anyway) and marks what it touches with the new generation.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pipeline.errors import DuplicatePhotoError, SubjectExistsError, SubjectNotFoundError
from pipeline.gallery import names
from pipeline.gallery.records import NewSample, SampleInfo, SubjectInfo
from pipeline.gallery.schema import meta, removed, samples, subjects, templates

SAME_FACE_IOU = 0.5
_CHUNK = 500  # values in one IN (...)


class Meta(NamedTuple):
    """The one row of meta: identity, generation, generation of the last removal, horizon of the tombstones."""

    gallery_id: str
    generation: int
    removal: int
    horizon: int

    def leads_to(self, later: Meta) -> bool:
        """Whether an index of this state can follow to the later one by what the tables say has changed."""
        same = self.gallery_id == later.gallery_id
        return same and later.horizon <= self.generation <= later.generation


def read_meta(connection: Connection) -> Meta:
    """The one row of meta."""
    row = connection.execute(sa.select(meta.c.gallery_id, meta.c.generation, meta.c.removal, meta.c.horizon)).one()
    return Meta(*row)


def bump(connection: Connection, *, removal: bool = False) -> int:
    """Opens a write: the generation that it will be known by."""
    values: dict[str, Any] = {"generation": meta.c.generation + 1}
    if removal:
        values["removal"] = meta.c.generation + 1
    return int(connection.execute(sa.update(meta).values(values).returning(meta.c.generation)).scalar_one())


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), _CHUNK):
        yield distinct[start : start + _CHUNK]


def now_us() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


def as_time(us: int) -> datetime:
    """Microseconds since 1970-01-01 UTC as a datetime with its zone."""
    return datetime.fromtimestamp(us / 1e6, tz=UTC)


# --- enrolling ---------------------------------------------------------------------------------------------------


def enrol(connection: Connection, items: Sequence[tuple[str, NewSample]], model_id: str) -> list[str]:
    """Adds samples under (normalised) names, making subjects as needed.

    Returns:
        The samples' identities, in the order of the items.

    Raises:
        DuplicatePhotoError: The same face of the same photo is enrolled already, or occurs twice in the items.
    """
    generation = bump(connection)
    present = _same_photos(connection, [sample.photo_sha256 for _, sample in items], model_id)
    uids, sample_rows, template_rows, revived = [], [], [], []
    created = now_us()
    for name, sample in items:
        known = _known(present.setdefault(sample.photo_sha256, []), name, sample)
        uid = known or uuid.uuid4().hex
        uids.append(uid)
        if known:  # enrolled with another model: the sample gets a template of this one
            revived.append(uid)
        else:
            sample_rows.append((name, _sample_row(uid, sample, generation, created)))
        present[sample.photo_sha256].append(_Face(name, uid, sample.box, sample.source, here=True))
        vector = np.ascontiguousarray(sample.vector, dtype="<f4").tobytes()
        template_rows.append({"uid": uid, "model_id": model_id, "norm": float(sample.norm), "vector": vector})
    ids = _subject_ids(connection, [name for name, _ in sample_rows], generation, created)
    if sample_rows:
        connection.execute(sa.insert(samples), [{**row, "subject_id": ids[name]} for name, row in sample_rows])
    for chunk in _chunks(revived):
        connection.execute(sa.update(samples).where(samples.c.uid.in_(chunk)).values(changed=generation))
    connection.execute(_INSERT_TEMPLATE, template_rows)
    return uids


_INSERT_TEMPLATE = sa.insert(templates).values(
    sample_id=sa.select(samples.c.id).where(samples.c.uid == sa.bindparam("uid")).scalar_subquery(),
    model_id=sa.bindparam("model_id"),
    norm=sa.bindparam("norm"),
    vector=sa.bindparam("vector"),
)


class _Face(NamedTuple):
    subject: str
    uid: str
    box: tuple[float, float, float, float]
    source: str
    here: bool  # has a template of the model in use


def _same_photos(connection: Connection, hashes: Iterable[str], model_id: str) -> dict[str, list[_Face]]:
    box = (samples.c.box_x0, samples.c.box_y0, samples.c.box_x1, samples.c.box_y1)
    found: dict[str, list[_Face]] = {}
    for chunk in _chunks(hashes):
        query = (
            sa.select(samples.c.photo_sha256, subjects.c.name, samples.c.uid, samples.c.source, *box, templates.c.id)
            .join(subjects, subjects.c.id == samples.c.subject_id)
            .outerjoin(templates, (templates.c.sample_id == samples.c.id) & (templates.c.model_id == model_id))
            .where(samples.c.photo_sha256.in_(chunk))
        )
        for sha, name, uid, source, x0, y0, x1, y1, template in connection.execute(query):
            found.setdefault(sha, []).append(_Face(name, uid, (x0, y0, x1, y1), source, template is not None))
    return found


def _known(faces: list[_Face], name: str, sample: NewSample) -> str | None:
    """The sample that lacks only a template of this model, or None for a new face.

    Raises:
        DuplicatePhotoError: The face is enrolled.
    """
    for face in faces:
        if _iou(face.box, sample.box) <= SAME_FACE_IOU:
            continue
        where = f"{names.shown(sample.source)} shows a face that is enrolled already: "
        where += f"subject {names.shown(face.subject)}, sample {face.uid}, from {names.shown(face.source)}"
        if face.subject != name:
            raise DuplicatePhotoError(
                f"{where}; it cannot be {names.shown(name)} too: use another photo, or `knownface gallery merge`"
            )
        if face.here:
            raise DuplicatePhotoError(f"{where}; nothing to do, or use another photo")
        return face.uid
    return None


def _iou(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over union of two xyxy boxes; 1 for two equal boxes, even empty ones."""
    if a == b:
        return 1.0
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def _sample_row(uid: str, sample: NewSample, generation: int, created: int) -> dict[str, Any]:
    x0, y0, x1, y1 = map(float, sample.box)
    return {
        "uid": uid,
        "source": sample.source,
        "photo_sha256": sample.photo_sha256,
        "box_x0": x0,
        "box_y0": y0,
        "box_x1": x1,
        "box_y1": y1,
        "landmarks": np.ascontiguousarray(sample.landmarks, dtype="<f4").tobytes(),
        "image_h": int(sample.image_hw[0]),
        "image_w": int(sample.image_hw[1]),
        "confidence": float(sample.confidence),
        "quality": None if sample.quality is None else float(sample.quality),
        "created_us": created,
        "changed": generation,
        "crop": sample.crop,
    }


def _subject_ids(connection: Connection, wanted: Sequence[str], generation: int, created: int) -> dict[str, int]:
    def read() -> dict[str, int]:
        found: dict[str, int] = {}
        for chunk in _chunks(wanted):
            query = sa.select(subjects.c.name, subjects.c.id).where(subjects.c.name.in_(chunk))
            found.update((name, key) for name, key in connection.execute(query))
        return found

    found = read()
    missing = [name for name in dict.fromkeys(wanted) if name not in found]
    if not missing:
        return found
    row = {"created_us": created, "changed": generation}
    connection.execute(sa.insert(subjects), [{"name": n, "folded": names.folded(n), **row} for n in missing])
    return read()


# --- changing ----------------------------------------------------------------------------------------------------


def subject_id(connection: Connection, name: str) -> int:
    """The subject of this (normalised) name.

    Raises:
        SubjectNotFoundError: There is none; the message suggests the closest names.
    """
    found = connection.execute(sa.select(subjects.c.id).where(subjects.c.name == name)).scalar()
    if found is not None:
        return int(found)
    fold = names.folded(name)
    alike = subjects.c.folded.contains(fold, autoescape=True) | subjects.c.folded.startswith(fold[:1], autoescape=True)
    near = names.closest(name, connection.execute(sa.select(subjects.c.name).where(alike).limit(2000)).scalars())
    if not near:
        near = names.closest(name, connection.execute(sa.select(subjects.c.name).limit(2000)).scalars())
    hint = "did you mean " + " or ".join(map(names.shown, near)) + "?" if near else "see `knownface gallery list`"
    raise SubjectNotFoundError(f"there is no subject {names.shown(name)}: {hint}")


def remove_subject(connection: Connection, name: str) -> int:
    """Removes a subject with everything that belongs to it; returns how many samples it had."""
    key = subject_id(connection, name)
    generation = bump(connection, removal=True)
    mine = sa.select(samples.c.id).where(samples.c.subject_id == key)
    _bury(connection, mine, generation)
    count = connection.execute(sa.delete(samples).where(samples.c.subject_id == key)).rowcount
    connection.execute(sa.delete(subjects).where(subjects.c.id == key))
    return int(count)


def _bury(connection: Connection, sample_ids: sa.Select[tuple[int]], generation: int) -> None:
    """Removes the samples' templates of every model and leaves tombstones."""
    dead = sa.select(templates.c.id, sa.literal(generation)).where(templates.c.sample_id.in_(sample_ids))
    connection.execute(sa.insert(removed).from_select(["template_id", "generation"], dead))
    connection.execute(sa.delete(templates).where(templates.c.sample_id.in_(sample_ids)))


def remove_sample(connection: Connection, uid: str) -> None:
    """Removes one sample; its subject goes with the last one.

    Raises:
        SubjectNotFoundError: There is no such sample.
    """
    row = connection.execute(sa.select(samples.c.id, samples.c.subject_id).where(samples.c.uid == uid)).one_or_none()
    if row is None:
        raise _no_sample(uid)
    generation = bump(connection, removal=True)
    _bury(connection, sa.select(samples.c.id).where(samples.c.id == row.id), generation)
    connection.execute(sa.delete(samples).where(samples.c.id == row.id))
    _drop_if_empty(connection, row.subject_id)


def _no_sample(uid: str) -> SubjectNotFoundError:
    return SubjectNotFoundError(f"there is no sample {names.shown(uid)}: see `knownface gallery show SUBJECT`")


def _drop_if_empty(connection: Connection, key: int) -> None:
    rest = sa.select(samples.c.id).where(samples.c.subject_id == key).exists()
    connection.execute(sa.delete(subjects).where((subjects.c.id == key) & ~rest))


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
    values = {"name": new, "folded": names.folded(new), "changed": generation}
    connection.execute(sa.update(subjects).where(subjects.c.id == key).values(values))


def merge(connection: Connection, source: str, target: str) -> int:
    """Moves every sample of `source` to `target` and removes `source`; returns how many were moved."""
    from_key, to_key = subject_id(connection, source), subject_id(connection, target)
    if from_key == to_key:
        raise SubjectExistsError(f"{names.shown(source)} is one subject: give two to merge")
    generation = bump(connection, removal=True)
    moved = sa.update(samples).where(samples.c.subject_id == from_key).values(subject_id=to_key, changed=generation)
    count = connection.execute(moved).rowcount
    connection.execute(sa.delete(subjects).where(subjects.c.id == from_key))
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
    for chunk in _chunks(uids):
        query = sa.select(samples.c.uid, samples.c.subject_id).where(samples.c.uid.in_(chunk))
        owners.update((uid, owner) for uid, owner in connection.execute(query))
    if missing := [uid for uid in uids if uid not in owners]:
        raise _no_sample(missing[0])
    generation = bump(connection, removal=True)
    key = _subject_ids(connection, [new], generation, now_us())[new]
    for chunk in _chunks(uids):
        move = sa.update(samples).where(samples.c.uid.in_(chunk)).values(subject_id=key, changed=generation)
        connection.execute(move)
    for owner in set(owners.values()):
        _drop_if_empty(connection, owner)


# --- reading -----------------------------------------------------------------------------------------------------


def count(connection: Connection, table: sa.Table) -> int:
    """How many rows a table has."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def list_subjects(connection: Connection, limit: int | None, offset: int, search: str | None) -> list[SubjectInfo]:
    """The subjects, ordered by folded name; `search` keeps the names that contain it, whatever its case."""
    mine = sa.select(sa.func.count()).where(samples.c.subject_id == subjects.c.id).scalar_subquery()
    query = sa.select(subjects.c.name, mine, subjects.c.created_us).order_by(subjects.c.folded, subjects.c.name)
    if search:
        query = query.where(subjects.c.folded.contains(names.folded(search.strip()), autoescape=True))
    rows = connection.execute(query.limit(limit).offset(offset))
    return [SubjectInfo(name, number, as_time(created)) for name, number, created in rows]


def list_samples(connection: Connection, key: int, model_id: str) -> tuple[SampleInfo, ...]:
    """The samples of a subject, oldest first."""
    query = (
        sa.select(samples, templates.c.id.label("template"))
        .outerjoin(templates, (templates.c.sample_id == samples.c.id) & (templates.c.model_id == model_id))
        .where(samples.c.subject_id == key)
        .order_by(samples.c.id)
    )
    return tuple(_sample_info(row) for row in connection.execute(query))


def _sample_info(row: Row[Any]) -> SampleInfo:
    return SampleInfo(
        id=row.uid,
        source=row.source,
        photo_sha256=row.photo_sha256,
        box=(row.box_x0, row.box_y0, row.box_x1, row.box_y1),
        landmarks=np.frombuffer(row.landmarks, "<f4").astype(np.float32).reshape(-1, 2),
        confidence=row.confidence,
        image_hw=(row.image_h, row.image_w),
        quality=row.quality,
        created=as_time(row.created_us),
        has_template=row.template is not None,
    )
