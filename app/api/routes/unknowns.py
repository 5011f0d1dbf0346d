"""People nobody has named yet, over all runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Security

from app import unknowns
from app.access import Role
from app.api import models
from app.api.acting import BEARER, Acting
from app.api.enrolling import consent_of
from app.api.problems import documented

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
            face_id=one.row.face_id, run=one.run.name, photo=one.row.photo, box=one.row.box, quality=one.row.quality
        )
        for one in unknowns.members(services, registry, number)
    ]
    return models.ClusterDetail(
        cluster=unknowns.label(number),
        subject=registry.subjects().get(number),
        aliases=[unknowns.label(one) for one in registry.aliases(number)],
        faces=faces,
    )


@router.post("/{cluster}/name", responses=documented(404, 409))
def name_cluster(services: Acting, cluster: Name, naming: models.Naming) -> models.Named:
    """Give an unknown person a name: the best few faces are enrolled, and every run is decided anew."""
    services.require(Role.OPERATOR)
    registry = unknowns.refresh(services)
    consent = consent_of(naming.consent_purpose, naming.consent_until)
    number = registry.resolve(cluster)
    done = unknowns.name_cluster(services, registry, number, naming.subject, naming.samples, consent)
    return models.Named(
        cluster=done.cluster,
        subject=done.subject,
        sample_ids=done.sample_ids,
        faces=done.faces,
        recognised=done.recognised,
    )


@router.post("/{cluster}/merge", responses=documented(404, 409))
def merge_clusters(services: Acting, cluster: Name, other: models.Other) -> models.NowCluster:
    """Say that two unknown people are one; the older name stays."""
    services.require(Role.OPERATOR)
    registry = unknowns.refresh(services)
    one, two = registry.resolve(cluster), registry.resolve(other.cluster)
    return models.NowCluster(cluster=unknowns.label(unknowns.merge_clusters(services, registry, one, two)))


@router.post("/{cluster}/split", responses=documented(404, 409))
def split_cluster(services: Acting, cluster: Name, split: models.SplitFaces) -> models.NowCluster:
    """Say that some faces are somebody else; they become an unknown person of their own."""
    services.require(Role.OPERATOR)
    registry = unknowns.refresh(services)
    number = unknowns.split_cluster(services, registry, registry.resolve(cluster), split.faces)
    return models.NowCluster(cluster=unknowns.label(number))
