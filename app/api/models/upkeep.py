"""Models and their change, operating points and calibration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.api.models.base import In, Line

Task = Literal["verify", "identify"]
Rate = Annotated[float, Field(gt=0, lt=1, examples=[0.001])]


class Measured(BaseModel):
    """Which runtime was the fastest for a model on this machine."""

    runtime: str = Field(examples=["openvino"])
    ms: dict[str, float] = Field(description="Milliseconds of one pass, by runtime.")
    max_abs_difference: float = Field(description="Between the outputs of the runtimes.")


class Model(BaseModel):
    """A known model, installed or not."""

    name: str = Field(examples=["sface.2021dec"])
    title: str
    task: str = Field(examples=["embedder"])
    family: str
    pack: str
    installed: bool
    in_use: bool
    model_id: str | None = Field(examples=["sface.2021dec@1a2b3c4d"])
    size: int | None = Field(description="Bytes.")
    licence: str = Field(description="Of the weights.")
    commercial_use: bool
    runtime: Measured | None
    precision: str = Field(examples=["fp32"])
    runs_on: str | None = Field(examples=["openvino/cpu fp32"])
    origin: str
    problem: str = Field(description='What is wrong with it, in words; "" where nothing is.')


class Models(BaseModel):
    """The known models, and which are in use for each task."""

    models: list[Model]
    stack: dict[str, str]


class ModelStatus(BaseModel):
    """Which model the gallery is searched with."""

    model_id: str = Field(examples=["sface.2021dec@1a2b3c4d"])
    subjects: int
    runtimes: dict[str, str]
    notes: list[str] = Field(description="What does not fit, in words; empty where all is well.")


class NewModel(In):
    """The model to go over to."""

    model: Line = Field(
        examples=["sface.2021dec"], description="An installed one; `none` is no refiner, `no-liveness` no liveness."
    )
    photos: Line | None = Field(None, description="Folder of the server with the original photos.")
    leave_behind: bool = Field(False, description="Go on although somebody cannot be embedded.")


class ModelChange(BaseModel):
    """How far the last change of models is."""

    state: Literal["none", "starting", "embedding", "preparing", "done", "refused", "stopped", "prepared"]
    busy: bool = Field(description="A process is at it.")
    model: str = Field(description="What was asked for.")
    done: int = Field(description="Samples embedded.")
    total: int
    message: str = Field(description="About the thresholds, or why it did not go on.")
    by: str


class Likelihood(BaseModel):
    """What a score says: log likelihood ratio = offset + slope x score, between low and high."""

    slope: float
    offset: float
    low: float
    high: float


class Point(BaseModel):
    """Which score is a match, and what is known about the errors that makes."""

    task: Task
    threshold: float = Field(examples=[0.38])
    fmr: float = Field(description="Measured false match rate; of identify the FPIR.")
    fnmr: float = Field(description="Measured false non-match rate; of identify the FNIR.")
    non_mated: int
    mated: int
    fmr_upper: float = Field(description="Upper end of the 95 % interval of fmr.")
    model_id: str = Field(examples=["sface.2021dec@1a2b3c4d"])
    measured_on: str
    gallery_size: int | None
    target: float | None = Field(description="The rate that was asked for.")
    source: Literal["card", "calibration", "chosen"]
    basis: str
    method: str
    margin: float
    min_norm: float | None
    likelihood: Likelihood | None
    subject_score: str


class Points(BaseModel):
    """The operating points: those measured for this gallery, and those of the model's card."""

    calibration: list[Point]
    card: list[Point]


class NewCalibration(In):
    """Which rates to calibrate for; without any, those of the settings."""

    fmr: list[Rate] = Field([], max_length=10, description="Verify: share of pairs of different people that match.")
    fpir: list[Rate] = Field([], max_length=10, description="Identify: share of strangers that get a name.")
    size: list[Annotated[int, Field(ge=1, le=10_000_000)]] = Field(
        [], max_length=10, description="Identify: subjects in the gallery; by default as many as now, and growth."
    )
    folder: Line | None = Field(
        None, description="Measure on FOLDER/PERSON/*.jpg of the server instead of the gallery's own photos."
    )
    card: bool = Field(False, description="Take the model card's points for these rates; nothing is measured.")


class Calibration(BaseModel):
    """How the last calibration that was asked for here went; its points are in `GET /v1/calibration`."""

    state: Literal["none", "running", "done", "refused", "stopped"]
    started: str | None
    finished: str | None
    by: str
    message: str = Field(description="Why it was refused, in words.")


class Cleared(BaseModel):
    """Whether there was anything."""

    cleared: bool
