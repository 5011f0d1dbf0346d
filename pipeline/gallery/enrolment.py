"""Adding samples to the truth: the same photo is recognised, everything else goes in with few statements."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import DuplicatePhotoError
from pipeline.gallery import names
from pipeline.gallery.records import NewSample
from pipeline.gallery.schema import samples, subjects, templates
from pipeline.gallery.store import bump, chunks, subject_ids
from pipeline.gallery.times import now_us
from pipeline.gallery.vault.kept import kept, kept_text, sealer_of, vector_identity
from pipeline.gallery.vault.sealer import CROP, SOURCE, VECTOR

SAME_FACE_IOU = 0.5


def enrol(connection: Connection, items: Sequence[tuple[str, NewSample]], model_id: str) -> list[str]:
    """Adds samples under (normalised) names, making subjects as needed.

    Returns:
        The samples' identities, in the order of the items.

    Raises:
        DuplicatePhotoError: The same face of the same photo is enrolled already, or occurs twice in the items.
    """
    generation = bump(connection)
    present = _same_photos(connection, [sample.photo_sha256 for _, sample in items], model_id)
    uids, sample_rows, revived = [], [], []
    template_rows: list[dict[str, Any]] = []
    created = now_us()
    for name, sample in items:
        known = _known(present.setdefault(sample.photo_sha256, []), name, sample)
        uid = known or uuid.uuid4().hex
        uids.append(uid)
        if known:  # enrolled with another model: the sample gets a template of this one
            revived.append(uid)
        else:
            sample_rows.append((name, _sample_row(connection, uid, sample, generation, created)))
        present[sample.photo_sha256].append(_Face(name, uid, sample.box, sample.source, here=True))
        vector = np.ascontiguousarray(sample.vector, dtype="<f4").tobytes()
        template_rows.append({"uid": uid, "model_id": model_id, "norm": float(sample.norm), "vector": vector})
    ids = subject_ids(connection, [name for name, _ in sample_rows], generation, created)
    if sample_rows:
        connection.execute(_INSERT_SAMPLE, [{**row, "subject_id": ids[name]} for name, row in sample_rows])
    for chunk in chunks(revived):
        connection.execute(sa.update(samples).where(samples.c.uid.in_(chunk)).values(changed=generation))
    _seal(connection, template_rows)
    connection.execute(_INSERT_TEMPLATE, template_rows)
    return uids


def owner_of(connection: Connection, sample_uids: Sequence[str]) -> dict[str, str]:
    """The random id of the subject of each of these samples; one that is not there is left out."""
    found: dict[str, str] = {}
    for chunk in chunks(sample_uids):
        query = sa.select(samples.c.uid, subjects.c.uid).join(subjects, samples.c.subject_id == subjects.c.id)
        found.update((sample, owner) for sample, owner in connection.execute(query.where(samples.c.uid.in_(chunk))))
    return found


def _seal(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Seals the vectors, where the gallery is encrypted, for the rows that the samples have got by now."""
    sealer = sealer_of(connection.dialect)
    if sealer is None:
        return
    keys: dict[str, tuple[int, int]] = {}
    for chunk in chunks(row["uid"] for row in rows):
        query = sa.select(samples.c.uid, samples.c.id, samples.c.subject_id).where(samples.c.uid.in_(chunk))
        keys.update((uid, (key, owner)) for uid, key, owner in connection.execute(query))
    for row in rows:
        key, owner = keys[row["uid"]]
        row["vector"] = sealer.seal(row["vector"], VECTOR, vector_identity(key, row["model_id"], owner))


# Built once: making a statement costs more than running it.
_INSERT_SAMPLE = sa.insert(samples)
_SAME_PHOTOS = (
    sa.select(
        samples.c.photo_sha256,
        subjects.c.name,
        samples.c.uid,
        samples.c.source,
        samples.c.box_x0,
        samples.c.box_y0,
        samples.c.box_x1,
        samples.c.box_y1,
        templates.c.id,
    )
    .join(subjects, subjects.c.id == samples.c.subject_id)
    .outerjoin(templates, (templates.c.sample_id == samples.c.id) & (templates.c.model_id == sa.bindparam("model_id")))
    .where(samples.c.photo_sha256.in_(sa.bindparam("hashes", expanding=True)))
)
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
    found: dict[str, list[_Face]] = {}
    for chunk in chunks(hashes):
        for row in connection.execute(_SAME_PHOTOS, {"hashes": chunk, "model_id": model_id}):
            sha, name, uid, source, x0, y0, x1, y1, template = row
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
            advice = f"it cannot be {names.shown(name)} too: use another photo, or `knownface gallery merge`"
            raise DuplicatePhotoError(f"{where}; {advice}", subject=face.subject, sample_id=face.uid)
        if face.here:
            advice = "nothing to do, or use another photo"
            raise DuplicatePhotoError(f"{where}; {advice}", subject=face.subject, sample_id=face.uid)
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


def _sample_row(connection: Connection, uid: str, sample: NewSample, generation: int, created: int) -> dict[str, Any]:
    x0, y0, x1, y1 = map(float, sample.box)
    return {
        "uid": uid,
        "source": kept_text(connection, sample.source, SOURCE, uid),
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
        "crop": None if sample.crop is None else kept(connection, sample.crop, CROP, uid),
    }
