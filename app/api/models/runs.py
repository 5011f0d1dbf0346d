"""Runs."""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.api.models.base import In


class NewRun(In):
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
