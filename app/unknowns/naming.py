"""What people say of clusters: who it is, that two are one, that some faces are somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.access import Role
from app.faces import png_of
from app.runs import FaceRow, Run
from app.runs.place import brought_names
from app.unknowns.clustering import refresh, runs_of_registry
from app.unknowns.identity import label
from app.unknowns.registry import Registry
from pipeline.errors import PhotoError, UnknownClusterError
from pipeline.types import F32, Detections

if TYPE_CHECKING:
    from app.services import Services
    from pipeline.gallery import NewConsent, NewSample

#: Faces that are enrolled of a cluster, unless another number is asked for (docs/unknowns.md).
SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Member:
    """One face of a cluster: the run it was read from, its row, and its template (D,) float32."""

    run: Run
    row: FaceRow
    vector: F32

    @property
    def photo(self) -> str:
        """What its photo is called for whoever is elsewhere, as `told_documents` says it."""
        return brought_names(self.run.folder)(self.row.photo)


@dataclass(frozen=True, slots=True)
class Named:
    """What came of giving a name.

    Attributes:
        cluster: What the cluster is called.
        subject: The name as it is stored.
        sample_ids: The samples that were enrolled.
        faces: How many faces the cluster had.
        recognised: How many of them are recognised as the subject now; the others remain unknown, in the cluster.
        runs: The runs that have faces of it, whose results are other ones now.
    """

    cluster: str
    subject: str
    sample_ids: list[str]
    faces: int
    recognised: int
    runs: list[Run]


def members(services: Services, registry: Registry, number: int) -> list[Member]:
    """The faces of a cluster that are unknown now, each once, in the order of runs and photos.

    Raises:
        UnknownClusterError: There are none any more.
    """
    wanted = set(registry.clusters().get(number, ()))
    if not wanted:
        if not registry.holds(number):
            raise UnknownClusterError(f"there is no unknown person {label(number)} any more: no run holds a face of it")
        subject = registry.subjects().get(number)
        whom = f": they are recognised as {subject}" if subject else ""
        raise UnknownClusterError(f"no face of {label(number)} is unknown any more{whom}")
    found: list[Member] = []
    for run in runs_of_registry(services, registry):
        rows = [row for row in run.faces() if row.face_id in wanted and row.decision == "unknown"]
        wanted.difference_update(row.face_id for row in rows)
        _, vectors = run.vectors([row.face_id for row in rows])
        found += [Member(run, row, vector) for row, vector in zip(rows, vectors, strict=True)]
    return found


def portrait(services: Services, registry: Registry, number: int) -> bytes:
    """A small picture (JPEG) of an unknown person: the face of the best quality. Errors: `members`."""
    faces = members(services, registry, number)
    best = max(faces, key=lambda face: -1.0 if face.row.quality is None else face.row.quality)
    return best.run.thumbnail(best.row.face_id)


def name_cluster(
    services: Services,
    registry: Registry,
    number: int,
    subject: str,
    most: int = SAMPLES,
    consent: NewConsent | None = None,
) -> Named:
    """Enrols the best few faces of a cluster; every run is decided anew from its stored vectors.

    Args:
        services: Acting for somebody who may enrol.
        registry: Of this gallery and model.
        number: Of the cluster.
        subject: The name, of somebody new or somebody enrolled.
        most: How many faces to enrol at most.
        consent: What the subject agreed to; by default what the policy says.

    Raises:
        ConsentMissingError: The policy demands one, and there is none.
        NotAllowedError: The actor is no operator.
        SubjectNameError: The name cannot be used.
        UnknownClusterError: No face of the cluster is unknown any more, or it was given another name.
        DuplicatePhotoError: A face of it is enrolled for somebody else.
    """
    from pipeline.gallery import normalise

    subject = normalise(subject)
    before = registry.subjects().get(number, subject)
    if before != subject:
        raise UnknownClusterError(
            f"{label(number)} was named {before}: if that was wrong, `knownface gallery rename` or `gallery split` "
            f"{before}, or `knownface unknown split` the faces that are somebody else"
        )
    faces = members(services, registry, number)
    chosen = choose([one.row for one in faces], np.stack([one.vector for one in faces]), most)
    samples = [_sample(services, faces[place]) for place in chosen]
    sample_ids = services.enrol_samples(subject, samples, faces[0].row.model_id, consent)
    registry.name(number, subject)
    for other in [n for n, its in registry.subjects().items() if its == subject and n != number]:
        number = registry.merge(number, other)
    refresh(services, registry, anew=True)
    ids = {one.row.face_id for one in faces}
    runs = list({one.run.name: one.run for one in faces}.values())
    known = {row.face_id for run in runs for row in run.faces() if row.face_id in ids and row.subject == subject}
    return Named(label(number), subject, sample_ids, len(faces), len(known), runs)


def merge_clusters(services: Services, registry: Registry, one: int, other: int) -> int:
    """Says that two clusters are one person; returns the number that stays. Errors: `Registry.merge`.

    Raises:
        NotAllowedError: The actor is no operator.
    """
    services.require(Role.OPERATOR)
    number = registry.merge(one, other)
    refresh(services, registry, anew=True)
    return number


def split_cluster(services: Services, registry: Registry, number: int, faces: Sequence[str]) -> int:
    """Says that faces of a cluster are somebody else; returns the number they get. Errors: `Registry.split`.

    Raises:
        NotAllowedError: The actor is no operator.
    """
    services.require(Role.OPERATOR)
    new = registry.split(number, faces)
    refresh(services, registry, anew=True)
    return new


def choose(rows: Sequence[FaceRow], vectors: F32, most: int) -> list[int]:
    """The faces to enrol: of the better half by quality, those that together are most alike to all of them.

    Greedy facility location (Nemhauser, Wolsey and Fisher 1978): each choice raises the sum, over all faces of the
    cluster, of the score with the most similar chosen one, by the most. The first is therefore the most typical face,
    and the next ones show what it does not. Of one photo or video at most one face is taken.

    Args:
        rows: The faces.
        vectors: (N, D) float32, in the same order.
        most: How many to choose at most.

    Returns:
        Their places, in the order they were chosen.
    """
    best_first = sorted(range(len(rows)), key=lambda place: (-_quality(rows[place]), rows[place].face_id))
    pool = best_first[: max(most, (len(rows) + 1) // 2)]
    covered = np.full(len(rows), -1.0)
    chosen: list[int] = []
    while pool and len(chosen) < most:
        gains = [float(np.maximum(vectors @ vectors[place] - covered, 0.0).sum()) for place in pool]
        place = pool[int(np.argmax(np.round(gains, 6)))]
        chosen.append(place)
        covered = np.maximum(covered, vectors @ vectors[place])
        pool = [other for other in pool if rows[other].sha256 != rows[place].sha256]
    return chosen


def _quality(row: FaceRow) -> float:
    """What is known of a face's quality: assessed, or else the length of its template."""
    return row.norm if row.quality is None else 1e6 + row.quality


def _sample(services: Services, member: Member) -> NewSample:
    from pipeline.gallery import NewSample

    row = member.row
    return NewSample(
        source=row.photo,
        photo_sha256=row.sha256,
        box=row.box,
        landmarks=np.array(row.landmarks, np.float32),
        confidence=row.confidence,
        image_hw=row.image_hw,
        vector=member.vector,
        norm=row.norm,
        crop=_crop(services, row) if services.settings.keep_crops and row.kind == "photo" else None,
        quality=row.quality,
    )


def _crop(services: Services, row: FaceRow) -> bytes | None:
    """The aligned crop as PNG, where the photo is still there and the same."""
    try:
        photo = services.open(row.photo)
        if photo.sha256 != row.sha256:
            return None
        found = Detections(
            np.array([row.box], np.float32),
            np.array([row.confidence], np.float32),
            np.array([row.landmarks], np.float32),
            row.image_hw,
        )
        return png_of(services.recognizer.align(photo, found))
    except PhotoError:
        return None
