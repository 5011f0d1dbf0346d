"""What goes in and out of the service, typed: the same names as in the command line's JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_BOX = [91.0, 72.5, 260.4, 300.1]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- subjects -------------------------------------------------------------------------------------------------


class Subject(BaseModel):
    """Somebody enrolled."""

    subject: str = Field(examples=["Ada Lovelace"])
    samples: int = Field(examples=[3], description="Photos enrolled.")
    created: datetime = Field(description="When the subject was first enrolled (UTC).")


class Subjects(BaseModel):
    """A page of subjects, by name."""

    subjects: list[Subject]
    next: str | None = Field(description="Cursor of the next page; null on the last.", examples=["QWRhIExvdmVsYWNl"])


class Sample(BaseModel):
    """An enrolled photo of a face."""

    id: str = Field(examples=["0b5c2f9e4d7a4c1f8e6b3a2d1c0f9e8d"])
    photo: str = Field(examples=["ada.jpg"], description="What the photo was called.")
    box: tuple[float, float, float, float] = Field(description="x0, y0, x1, y1 in pixels.", examples=[_BOX])
    confidence: float = Field(examples=[0.93], description="The detector's, in [0, 1].")
    quality: float | None = Field(examples=[0.71])
    created: datetime
    has_template: bool = Field(description="Whether the model in use can find it.")


class SubjectDetail(BaseModel):
    """A subject and its samples, oldest first."""

    subject: str = Field(examples=["Ada Lovelace"])
    created: datetime
    samples: list[Sample]


class Enrolled(BaseModel):
    """A photo that is enrolled."""

    subject: str = Field(examples=["Ada Lovelace"])
    photo: str = Field(examples=["ada.jpg"])
    sample_id: str = Field(examples=["0b5c2f9e4d7a4c1f8e6b3a2d1c0f9e8d"])
    already: bool = Field(description="The subject had this very photo before.")


class Failed(BaseModel):
    """A photo that could not be used."""

    photo: str = Field(examples=["group.jpg"])
    error: str = Field(examples=["several_faces"])
    message: str = Field(examples=["group.jpg: shows 3 faces: name one with --face N, or crop the photo"])


class Enrolment(BaseModel):
    """What became of each photo."""

    enrolled: list[Enrolled]
    failed: list[Failed]


class NewName(_In):
    """Another name."""

    name: str = Field(examples=["Ada King"])


class Into(_In):
    """Who a subject is merged into."""

    into: str = Field(examples=["Ada Lovelace"])


class Moved(BaseModel):
    """How many samples were moved."""

    samples: int


class Removed(BaseModel):
    """What was removed."""

    removed: str = Field(examples=["Ada Lovelace"])
    samples: int = Field(description="How many samples it had.")


class ErasureReason(_In):
    """Why somebody is erased; it goes into the audit log, so it names nobody."""

    reason: str = Field("request", examples=["request"], max_length=200)


class Certificate(BaseModel):
    """What an erasure did, what was looked at afterwards, and what it cannot reach; it names nobody."""

    model_config = ConfigDict(extra="allow")

    subject_id: str
    samples: int
    run_faces: int
    complete: bool
    not_reached: list[str]


# --- searches -------------------------------------------------------------------------------------------------


class Verified(BaseModel):
    """Whether two photos show the same person."""

    decision: str = Field(examples=["match"], description="match, non_match, poor_image or not_live.")
    score: float | None = Field(examples=[0.61], description="Cosine similarity.")
    threshold: float | None = Field(examples=[0.38])
    model_id: str = Field(examples=["sface.2021dec@1a2b3c4d"])
    reason: str
    probability: float | None
    log_likelihood_ratio: float | None
    operating_point: str
    faces_in_a: int = Field(examples=[1])
    faces_in_b: int = Field(examples=[1])


class Scored(BaseModel):
    """A subject and its score."""

    subject: str = Field(examples=["Ada Lovelace"])
    score: float = Field(examples=[0.61])


class Face(BaseModel):
    """One face of a photo, and who it is."""

    photo: str = Field(examples=["party.jpg"])
    box: tuple[float, float, float, float] = Field(description="x0, y0, x1, y1 in pixels.", examples=[_BOX])
    subject: str | None = Field(examples=["Ada Lovelace"])
    decision: str = Field(examples=["match"], description="match, unknown, ambiguous, poor_image or not_live.")
    score: float | None
    threshold: float | None
    best: Scored | None
    runner_up: Scored | None
    reason: str
    operating_point: str


class Identified(BaseModel):
    """A row per face, and a row per photo that could not be used."""

    faces: list[Face]
    errors: list[Failed]


# --- unknown faces --------------------------------------------------------------------------------------------


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


class Naming(_In):
    """Who a cluster is."""

    subject: str = Field(examples=["Ada Lovelace"])
    samples: int = Field(5, ge=1, le=100, description="Enrol at most so many of its faces.")
    consent_purpose: str | None = Field(None, examples=["door"])
    consent_until: datetime | None = None


class Named(BaseModel):
    """What came of giving a name."""

    cluster: str
    subject: str
    sample_ids: list[str]
    faces: int
    recognised: int


class Other(_In):
    """Another cluster, who is the same person."""

    cluster: str = Field(examples=["U-0002"])


class SplitFaces(_In):
    """Faces that are somebody else."""

    faces: list[str] = Field(min_length=1, max_length=10_000, examples=[["9f86d081884c7d65-1"]])


class NowCluster(BaseModel):
    """What a cluster is called now."""

    cluster: str = Field(examples=["U-0001"])


# --- runs -----------------------------------------------------------------------------------------------------


class NewRun(_In):
    """A run over a folder of the server, one of `batch_folders` of its settings or in one."""

    name: str = Field(examples=["summer"])
    folder: str = Field(examples=["/srv/photos/summer"])


class Run(BaseModel):
    """How far a run is."""

    name: str = Field(examples=["summer"])
    state: str = Field(
        examples=["running"], description="starting, walking, running, deciding, finished, stopped or failed."
    )
    busy: bool
    total: int
    done: int
    failed: int
    faces: int
    started: str | None
    by: str
    message: str


class Runs(BaseModel):
    """Every run, the newest first."""

    runs: list[Run]


class Started(BaseModel):
    """A run that was started."""

    name: str = Field(examples=["summer"])
    photos: int | None = Field(description="How many were brought along; null for a folder.")


class NowRemoved(BaseModel):
    """A run that was erased."""

    removed: str = Field(examples=["summer"])


# --- the rest -------------------------------------------------------------------------------------------------


class Health(BaseModel):
    """The server is there."""

    status: str = Field(examples=["ok"])


class Ready(BaseModel):
    """The server can answer."""

    status: str = Field(examples=["ready"])
    model_id: str = Field(examples=["sface.2021dec@1a2b3c4d"])


class Models(BaseModel):
    """The known models, and which are in use."""

    models: list[dict[str, Any]]
    stack: dict[str, str]


class ModelStatus(BaseModel):
    """Which model the gallery is searched with."""

    model_id: str = Field(examples=["sface.2021dec@1a2b3c4d"])
    subjects: int
    runtimes: dict[str, str]
    notes: list[str] = Field(description="What does not fit, in words; empty where all is well.")


class Points(BaseModel):
    """The operating points: those measured for this gallery, and those of the model's card."""

    calibration: list[dict[str, Any]]
    card: list[dict[str, Any]]


class AuditEntry(BaseModel):
    """An entry of the audit log."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    detail: dict[str, Any]
    previous_hash: str
    entry_hash: str


class AuditPage(BaseModel):
    """Entries, oldest first."""

    entries: list[AuditEntry]
    next: int | None = Field(description="Give it as `after` for the next page; null on the last.")


class AuditVerdict(BaseModel):
    """Whether the log is whole."""

    whole: bool
    entries: int
    signed_by: str
    findings: list[dict[str, Any]]
