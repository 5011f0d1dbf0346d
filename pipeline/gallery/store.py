"""The truth: what is enrolled, in SQL. Every function here runs inside a transaction that the caller opened.

Each write first bumps `meta.generation` (on a server that row's lock puts the writers in order; SQLite has one writer
anyway) and marks what it touches with the new generation.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from pipeline.errors import GalleryDamagedError, SubjectNotFoundError
from pipeline.gallery import bound, names
from pipeline.gallery.records import Enrolled, SampleInfo
from pipeline.gallery.schema import meta, samples, subjects, templates
from pipeline.gallery.server import timeline_of
from pipeline.gallery.times import as_time
from pipeline.gallery.vault.kept import by_name, opened, sealer_of, vector_identity
from pipeline.gallery.vault.sealer import VECTOR

_CHUNK = 500  # values in one IN (...)
_LOOKED_AT = 2000  # names that are compared with one that is not there


class Meta(NamedTuple):
    """The one row of meta: identity, generation, generation of the last removal, horizon of the tombstones.

    A server's timeline stands behind the identity and a dot.
    """

    gallery_id: str
    generation: int
    removal: int
    horizon: int

    def leads_to(self, later: Meta) -> bool:
        """Whether an index of this state can follow to the later one by what the tables say has changed."""
        same = self.gallery_id == later.gallery_id
        return same and later.horizon <= self.generation <= later.generation


def read_meta(connection: Connection) -> Meta:
    """The one row of meta.

    Raises:
        GalleryDamagedError: It is not there, or holds what no gallery has written.
    """
    rows = connection.execute(_READ_META).all()
    if len(rows) != 1:
        raise GalleryDamagedError(_NO_META)
    timeline = timeline_of(connection)
    found = Meta(*rows[0])
    return found._replace(gallery_id=f"{found.gallery_id}.{timeline}") if timeline else found


_NO_META = "the gallery's database has lost its own number: restore a backup with `knownface gallery restore FILE`"
_READ_META = sa.select(meta.c.gallery_id, meta.c.generation, meta.c.removal, meta.c.horizon)
_BUMP = sa.update(meta).values(generation=meta.c.generation + 1).returning(meta.c.generation)
_BUMP_REMOVAL = _BUMP.values(removal=meta.c.generation + 1)


def bump(connection: Connection, *, removal: bool = False) -> int:
    """Opens a write: the generation that it will be known by."""
    generation = connection.execute(_BUMP_REMOVAL if removal else _BUMP).scalar()
    if generation is None:
        raise GalleryDamagedError(_NO_META)
    return int(generation)


def chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    """The different values, few enough at a time for one IN (...)."""
    distinct = list(dict.fromkeys(values))
    for start in range(0, len(distinct), _CHUNK):
        yield distinct[start : start + _CHUNK]


_INSERT_SUBJECT = sa.insert(subjects)
_SUBJECT_IDS = sa.select(subjects.c.name, subjects.c.id).where(
    subjects.c.name.in_(sa.bindparam("names", expanding=True))
)


def subject_ids(connection: Connection, wanted: Sequence[str], generation: int, created: int) -> dict[str, int]:
    """Ids of the subjects of these (normalised) names; those that are missing are made."""

    def read() -> dict[str, int]:
        found: dict[str, int] = {}
        for chunk in chunks(wanted):
            found.update((name, key) for name, key in connection.execute(_SUBJECT_IDS, {"names": chunk}))
        return found

    found = read()
    missing = [name for name in dict.fromkeys(wanted) if name not in found]
    if not missing:
        return found
    named = {uuid.uuid4().hex: name for name in missing}
    row = {"created_us": created, "changed": generation}
    made = [{"name": name, "folded": names.folded(name), "uid": uid, **row} for uid, name in named.items()]
    if sealer_of(connection.dialect) is not None:  # what the sealed name is bound to has to be there first
        made = [{**one, "folded": ""} for one in made]
    connection.execute(_INSERT_SUBJECT, made)
    for chunk in chunks(named):
        bound.seal_names(connection, {uid: named[uid] for uid in chunk})
    return read()


def uids_of(connection: Connection, wanted: Sequence[str]) -> dict[str, str]:
    """The random ids of the subjects of these (normalised) names; who is not there is left out."""
    found: dict[str, str] = {}
    for chunk in chunks(wanted):
        found.update((name, uid) for name, uid in connection.execute(_SUBJECT_UIDS, {"names": chunk}))
    return found


def names_of(connection: Connection, uids: Sequence[str]) -> dict[str, str]:
    """The names of the subjects of these random ids; who is not there is left out."""
    query, found = sa.select(subjects.c.uid, subjects.c.name), dict[str, str]()
    for chunk in chunks(uids):
        found.update((uid, name) for uid, name in connection.execute(query.where(subjects.c.uid.in_(chunk))))
    return found


_SUBJECT_UIDS = sa.select(subjects.c.name, subjects.c.uid).where(
    subjects.c.name.in_(sa.bindparam("names", expanding=True))
)


def uid_of(connection: Connection, name: str) -> str:
    """The random id of a subject. Errors as `subject_id`."""
    key = subject_id(connection, name)
    return str(connection.execute(sa.select(subjects.c.uid).where(subjects.c.id == key)).scalar_one())


def owners_of(connection: Connection, sample_uids: Sequence[str]) -> list[str]:
    """The random ids of the subjects of these samples."""
    found: dict[str, None] = {}
    for chunk in chunks(sample_uids):
        query = sa.select(subjects.c.uid).join(samples, samples.c.subject_id == subjects.c.id)
        found.update(dict.fromkeys(connection.execute(query.where(samples.c.uid.in_(chunk))).scalars()))
    return list(found)


def subject_id(connection: Connection, name: str) -> int:
    """The subject of this (normalised) name.

    Raises:
        SubjectNotFoundError: There is none; the message suggests the closest names.
    """
    found = connection.execute(sa.select(subjects.c.id).where(subjects.c.name == name)).scalar()
    if found is not None:
        return int(found)
    near = _alike(connection, name)
    hint = "did you mean " + " or ".join(map(names.shown, near)) + "?" if near else "see `knownface gallery list`"
    raise SubjectNotFoundError(f"there is no subject {names.shown(name)}: {hint}")


def _alike(connection: Connection, name: str) -> list[str]:
    """The names of subjects that look most like one."""
    fold = names.folded(name)
    if sealer_of(connection.dialect) is not None:  # the database cannot tell: all names are opened
        every = list(connection.execute(sa.select(subjects.c.name)).scalars())
        some = [one for one in every if fold in names.folded(one) or names.folded(one).startswith(fold[:1])]
        return names.closest(name, some[:_LOOKED_AT]) or names.closest(name, every[:_LOOKED_AT])
    alike = subjects.c.folded.contains(fold, autoescape=True) | subjects.c.folded.startswith(fold[:1], autoescape=True)
    near = names.closest(name, connection.execute(sa.select(subjects.c.name).where(alike).limit(_LOOKED_AT)).scalars())
    return near or names.closest(name, connection.execute(sa.select(subjects.c.name).limit(_LOOKED_AT)).scalars())


def count(connection: Connection, table: sa.Table) -> int:
    """How many rows a table has."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def list_samples(connection: Connection, key: int, model_id: str) -> tuple[SampleInfo, ...]:
    """The samples of a subject, oldest first."""
    query = (
        sa.select(samples, templates.c.id.label("template"))
        .outerjoin(templates, (templates.c.sample_id == samples.c.id) & (templates.c.model_id == model_id))
        .where(samples.c.subject_id == key)
        .order_by(samples.c.id)
    )
    return tuple(_sample_info(row) for row in connection.execute(query))


def list_templates(connection: Connection, model_id: str, key: int | None) -> list[Enrolled]:
    """The templates of a model, of one subject or of all, by subject, oldest first."""
    query = (
        sa.select(
            subjects.c.name,
            samples.c.id,
            samples.c.uid,
            samples.c.source,
            templates.c.vector,
            templates.c.norm,
            subjects.c.id,
        )
        .join(samples, samples.c.subject_id == subjects.c.id)
        .join(templates, (templates.c.sample_id == samples.c.id) & (templates.c.model_id == model_id))
        .order_by(subjects.c.folded, subjects.c.name, samples.c.id)
    )
    rows = connection.execute(query if key is None else query.where(subjects.c.id == key))
    found = []
    for name, number, uid, source, vector, norm, owner in by_name(connection, rows, itemgetter(0)):
        plain = opened(connection, vector, VECTOR, vector_identity(number, model_id, owner))
        found.append(Enrolled(name, uid, source, np.frombuffer(plain, "<f4").astype(np.float32), float(norm)))
    return found


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
