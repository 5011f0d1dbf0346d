"""People nobody has named yet."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.api.models.base import In, WithConsent


class Cluster(BaseModel):
    """Somebody nobody has named yet."""

    cluster: str = Field(examples=["U-0001"])
    faces: int
    subject: str | None = Field(description="The name it was given, where not all of its faces are recognised.")


class Clusters(BaseModel):
    """Those with most faces first."""

    clusters: list[Cluster]


class ClusterFace(BaseModel):
    """A face of a cluster."""

    face_id: str = Field(examples=["9f86d081884c7d65-1"])
    run: str = Field(examples=["summer"])
    photo: str
    box: tuple[float, float, float, float]
    quality: float | None


class ClusterDetail(BaseModel):
    """A cluster and its faces."""

    cluster: str = Field(examples=["U-0001"])
    subject: str | None
    aliases: list[str]
    faces: list[ClusterFace]


class Naming(WithConsent):
    """Who a cluster is."""

    subject: str = Field(examples=["Ada Lovelace"])
    samples: int = Field(5, ge=1, le=100, description="Enrol at most so many of its faces.")


class Named(BaseModel):
    """What came of giving a name."""

    cluster: str
    subject: str
    sample_ids: list[str]
    faces: int
    recognised: int
    written: int = Field(description="Result files of runs that were written again, where they were written before.")
    not_written: list[str] = Field(description="Which could not be, in words.")


class Other(In):
    """Another cluster, who is the same person."""

    cluster: str = Field(examples=["U-0002"])


class SplitFaces(In):
    """Faces that are somebody else."""

    faces: list[str] = Field(min_length=1, max_length=10_000, examples=[["9f86d081884c7d65-1"]])


class NowCluster(BaseModel):
    """What a cluster is called now."""

    cluster: str = Field(examples=["U-0001"])
    written: int = Field(description="Result files of runs that were written again, where they were written before.")
    not_written: list[str] = Field(description="Which could not be, in words.")
