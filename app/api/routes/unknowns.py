"""People nobody has named yet, over all runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Security
from starlette.responses import Response

from app import unknowns
from app.access import Role
from app.api import models
from app.api.acting import BEARER, Acting
from app.api.problems import documented
from app.api.routes.pictures import PICTURE_JPEG
from app.services import Services
from app.unknowns import Registry

router = APIRouter(prefix="/v1/unknowns", tags=["unknown faces"], dependencies=[Security(BEARER)])
Name = Annotated[str, Path(description="What the cluster is called.", examples=["U-0001"], max_length=64)]


@router.get("", responses=documented(409))
def list_clusters(
    services: Acting,
    everybody: Annotated[bool, Query(alias="all", description="Also those with a single face.")] = False,
) -> models.Clusters:
    """The unknown people, those with most faces first."""
    registry = unknowns.refresh(services)
    subjects = registry.subjects()
    ordered = sorted(registry.clusters().items(), key=lambda one: (-len(one[1]), one[0]))
    rows = [
        models.Cluster(cluster=unknowns.label(number), faces=len(faces), subject=subjects.get(number))
        for number, faces in ordered
        if everybody or len(faces) > 1 or number in subjects
    ]
    return models.Clusters(clusters=rows)


@router.get("/{cluster}", responses=documented(404, 409))
def show_cluster(services: Acting, cluster: Name) -> models.ClusterDetail:
    """The faces of an unknown person."""
    registry = unknowns.refresh(services)
    number = registry.resolve(cluster)
    faces = [
        models.ClusterFace(
            face_id=one.row.face_id,
            run=one.run.name,
            photo=one.photo,
            box=one.row.box,
            quality=one.row.quality,
        )
        for one in unknowns.members(services, registry, number)
    ]
    return models.ClusterDetail(
        cluster=unknowns.label(number),
        subject=registry.subjects().get(number),
        aliases=[unknowns.label(one) for one in registry.aliases(number)],
        faces=faces,
    )


@router.get(
    "/{cluster}/picture",
    response_class=Response,
    responses={**documented(404, 409), 200: PICTURE_JPEG},
)
def show_picture(services: Acting, cluster: Name) -> Response:
    """A small picture (JPEG) of an unknown person: the face of the best quality. The runs have those of all."""
    registry = unknowns.refresh(services)
    return Response(unknowns.portrait(services, registry, registry.resolve(cluster)), media_type="image/jpeg")


@router.post("/{cluster}/name", responses=documented(404, 409))
def name_cluster(services: Acting, cluster: Name, naming: models.Naming) -> models.Named:
    """Give an unknown person a name: the best few faces are enrolled, and every run is decided anew."""
    services.require(Role.OPERATOR)
    registry = unknowns.refresh(services)
    consent = naming.consent()
    number = registry.resolve(cluster)
    done = unknowns.name_cluster(services, registry, number, naming.subject, naming.samples, consent)
    written, not_written = _write_again(services, registry)
    return models.Named(
        cluster=done.cluster,
        subject=done.subject,
        sample_ids=done.sample_ids,
        faces=done.faces,
        recognised=done.recognised,
        written=written,
        not_written=not_written,
    )


@router.post("/{cluster}/merge", responses=documented(404, 409))
def merge_clusters(services: Acting, cluster: Name, other: models.Other) -> models.NowCluster:
    """Say that two unknown people are one; the older name stays."""
    services.require(Role.OPERATOR)
    registry = unknowns.refresh(services)
    one, two = registry.resolve(cluster), registry.resolve(other.cluster)
    return _now(services, registry, unknowns.merge_clusters(services, registry, one, two))


@router.post("/{cluster}/split", responses=documented(404, 409))
def split_cluster(services: Acting, cluster: Name, split: models.SplitFaces) -> models.NowCluster:
    """Say that some faces are somebody else; they become an unknown person of their own."""
    services.require(Role.OPERATOR)
    registry = unknowns.refresh(services)
    number = unknowns.split_cluster(services, registry, registry.resolve(cluster), split.faces)
    return _now(services, registry, number)


def _now(services: Services, registry: Registry, number: int) -> models.NowCluster:
    written, not_written = _write_again(services, registry)
    return models.NowCluster(cluster=unknowns.label(number), written=written, not_written=not_written)


def _write_again(services: Services, registry: Registry) -> tuple[int, list[str]]:
    """What was said of the faces holds already, so that a folder which cannot be written is no error of the request."""
    files, errors = unknowns.write_again(services, registry)
    return len(files), [error.message for error in errors]
