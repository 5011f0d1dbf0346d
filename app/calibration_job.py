"""Calibration as a job that a program asks for: `knownface calibrate` as a process of its own (`app.jobs`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.access import Role
from app.batch import allowed_folder, job_variables
from app.jobs import Job
from pipeline.errors import CalibrationError

if TYPE_CHECKING:
    from app.services import Services


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for; without any rate, those of the settings.

    Attributes:
        fmr: Rates for verify.
        fpir: Rates for identify.
        size: Subjects in the gallery; none for as many as there are.
        folder: People's photos in a folder of this machine; "" for the gallery's own.
        card: Take the points of the model's card.
    """

    fmr: Sequence[float] = ()
    fpir: Sequence[float] = ()
    size: Sequence[int] = ()
    folder: str = ""
    card: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How the last one went.

    Attributes:
        state: `none` where there was none.
        started: When (ISO, UTC).
        finished: When (ISO, UTC); None while it goes on, and where it was killed.
        by: Who asked for it.
        message: Why it was refused.
    """

    state: Literal["none", "running", "done", "refused", "stopped"]
    started: str | None = None
    finished: str | None = None
    by: str = ""
    message: str = ""


def start(services: Services, asked: Asked, config: Path | None = None) -> None:
    """Starts it.

    Args:
        services: Acting for an operator.
        asked: What for.
        config: The settings file in use.

    Raises:
        NotAllowedError: The actor is no operator.
        PhotoUnreadableError: The folder is none that may be named.
        CalibrationError: What is asked for does not go together, or there is nobody to measure on.
        JobError: One is under way.
    """
    services.require(Role.OPERATOR)
    if asked.card and asked.folder:
        raise CalibrationError("the card's points are not measured: give either a folder or the card")
    enrolled = len(services.gallery)
    if not enrolled and not asked.folder and not asked.card:
        raise CalibrationError("nobody is enrolled in this gallery: enrol people, or give a folder")
    if not enrolled and asked.fpir and not asked.size:
        raise CalibrationError("nobody is enrolled: say for how many subjects the rates of identify shall hold")
    words = [*(["--config", str(config.absolute())] if config else []), "calibrate"]
    for option, values in (("--fmr", asked.fmr), ("--fpir", asked.fpir), ("--size", asked.size)):
        words += [word for value in values for word in (option, repr(value))]
    words += ["--folder", str(allowed_folder(services, asked.folder))] if asked.folder else []
    words += ["--card"] if asked.card else []
    job_of(services).start(words, job_variables(services), by=services.actor.name)
    services.gallery.record("calibration_job", detail={"over": _over(asked)})


def stop(services: Services) -> None:
    """Asks it to end: the operating points stay as they are.

    Raises:
        NotAllowedError: The actor is no operator.
    """
    services.require(Role.OPERATOR)
    job_of(services).stop()


def standing(services: Services) -> Standing:
    """How the last one went."""
    job = job_of(services)
    alive = job.alive()  # first: what ends after that is seen as it was before
    about = job.about()
    if about is None:
        return Standing("none")
    if alive:
        return Standing("running", about.started, by=about.by)
    said = job.last_words().removeprefix("knownface: ") if about.ended == "refused" else ""
    return Standing(about.ended, about.started, about.finished, about.by, said)


def job_of(services: Services) -> Job:
    """The job of a data folder: there is one at a time."""
    return Job(services.settings.home / "jobs" / "calibration")


def _over(asked: Asked) -> str:
    return "card" if asked.card else "folder" if asked.folder else "gallery"
