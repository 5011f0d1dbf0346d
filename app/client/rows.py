"""What the library has no row of its own for that could travel: runs, unknown people, the state of a gallery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.types import Decision

Box = tuple[float, float, float, float]
ENDED = frozenset({"finished", "stopped", "failed"})
"""States of a run that nothing follows on by itself."""


@dataclass(frozen=True, slots=True)
class Status:
    """Which model a gallery is searched with.

    Attributes:
        model_id: That model's identity.
        subjects: How many people are enrolled.
        runtimes: What each stage runs in.
        notes: What does not fit, in words; empty where all is well.
    """

    model_id: str
    subjects: int
    runtimes: dict[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a run is.

    Attributes:
        name: Of the run.
        state: starting, walking, running, deciding, watching, finished, stopped or failed.
        busy: A process works on it.
        total, done, failed, faces: Files in all, finished, without a result; faces found.
        started: When (ISO, UTC); None where that is not known.
        by: Who started it; "" where that is not known.
        message: Why it could not be finished.
    """

    name: str
    state: str
    busy: bool
    total: int
    done: int
    failed: int
    faces: int
    started: str | None
    by: str
    message: str

    @property
    def ended(self) -> bool:
        """Whether it goes on no further by itself."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class RunFace:
    """One face of a run, once for each path of its photo.

    Attributes:
        photo: The path, on the machine of the run; of a photo that was sent its number and name: `00001 party.jpg`.
        box: x0, y0, x1, y1 in pixels, to a tenth.
        decision: Who it is; None before the run was decided.
        number: Of the face in the photo; 1 is the most prominent.
        face_id: The same in every run.
        cluster: Which unknown person it belongs to (`U-0001`), or None.
        start_s, end_s: When an appearance in a video begins and ends, in seconds; None for photos.
    """

    photo: str
    box: Box
    decision: Decision | None
    number: int
    face_id: str
    cluster: str | None
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file of a run that gave no face.

    Attributes:
        photo: As that of `RunFace`.
        error: The code, as in `pipeline.errors`.
        message: What it says.
    """

    photo: str
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class UnknownInfo:
    """Somebody nobody has named yet.

    Attributes:
        cluster: What the cluster is called, `U-0001`.
        faces: How many faces it has.
        subject: The name it was given, where not all of its faces are recognised by it.
    """

    cluster: str
    faces: int
    subject: str | None


@dataclass(frozen=True, slots=True)
class UnknownFace:
    """A face of an unknown person.

    Attributes:
        face_id: The same in every run.
        run: Where it was found.
        photo: As that of `RunFace`.
        box: x0, y0, x1, y1 in pixels.
        quality: Higher is better; None where it was not assessed.
    """

    face_id: str
    run: str
    photo: str
    box: Box
    quality: float | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """An unknown person and their faces.

    Attributes:
        cluster, subject: As in `UnknownInfo`.
        aliases: Other names of the cluster, from merges.
        faces: The faces.
    """

    cluster: str
    subject: str | None
    aliases: tuple[str, ...]
    faces: tuple[UnknownFace, ...]


@dataclass(frozen=True, slots=True)
class NamedUnknown:
    """What came of giving an unknown person a name.

    Attributes:
        cluster: What the cluster is called.
        subject: The name as it is stored.
        sample_ids: The samples that were enrolled.
        faces: How many faces the cluster had.
        recognised: How many of them are recognised as the subject now.
    """

    cluster: str
    subject: str
    sample_ids: tuple[str, ...]
    faces: int
    recognised: int


@dataclass(frozen=True, slots=True)
class Me:
    """Who asks.

    Attributes:
        name: As it stands in the audit log.
        role: viewer, operator or admin.
    """

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A known model, installed or not.

    Attributes:
        name, title: What it is called, and in words.
        task: detector, refiner, embedder, quality, liveness or eyes.
        installed, in_use: Whether it is.
        model_id: Its identity, None where it is not installed.
        licence: Of the weights.
        commercial_use: Whether that licence allows it.
        problem: What is wrong with it, in words; "" where nothing is.
    """

    name: str
    title: str
    task: str
    installed: bool
    in_use: bool
    model_id: str | None
    licence: str
    commercial_use: bool
    problem: str


@dataclass(frozen=True, slots=True)
class ModelChange:
    """How far the last change of models is.

    Attributes:
        state: none, starting, embedding, preparing, done, refused, stopped or prepared.
        busy: A process is at it.
        model: What was asked for.
        done, total: Samples embedded, and in all.
        message: About the thresholds, or why it did not go on.
        by: Who started it.
    """

    state: str
    busy: bool
    model: str
    done: int
    total: int
    message: str
    by: str


@dataclass(frozen=True, slots=True)
class CalibrationJob:
    """How the last calibration that was asked for went; its points are `operating_points`.

    Attributes:
        state: none, running, done, refused or stopped.
        started, finished: When (ISO, UTC); None where it has not.
        by: Who asked for it.
        message: Why it was refused, in words.
    """

    state: str
    started: str | None
    finished: str | None
    by: str
    message: str


def run_row(document: dict[str, Any], model_id: str) -> RunFace | FailedFile:
    """A row of a run's results, of the document that `identify --json-lines` writes.

    Args:
        document: That.
        model_id: The model of the run.
    """
    if "error" in document:
        return FailedFile(document["photo"], document["error"], document["message"] or "")
    return RunFace(
        photo=document["photo"],
        box=box_of(document["box"]),
        decision=None if document["decision"] is None else decision_of(document, model_id),
        number=document["face"],
        face_id=document["face_id"],
        cluster=document["cluster"],
        start_s=document.get("start_s"),
        end_s=document.get("end_s"),
    )


def decision_of(document: dict[str, Any], model_id: str) -> Decision:
    """A decision, of the document that stands for one."""
    best, runner_up = document.get("best"), document.get("runner_up")
    return Decision(
        kind=document["decision"],
        score=document["score"],
        threshold=document["threshold"],
        reason=document["reason"],
        model_id=model_id,
        subject=document.get("subject"),
        runner_up=(runner_up["subject"], runner_up["score"]) if runner_up else None,
        log_ratio=document.get("log_likelihood_ratio"),
        probability=document.get("probability"),
        origin=document["operating_point"],
        best=(best["subject"], best["score"]) if best else None,
    )


def box_of(values: list[float]) -> Box:
    """Four numbers as a box."""
    x0, y0, x1, y1 = (float(value) for value in values)
    return x0, y0, x1, y1
