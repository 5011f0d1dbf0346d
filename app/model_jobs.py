"""The change to other models as a job that a page starts: asked for, watched, stopped and gone on with.

The job is `knownface models use` or `rollback` as a process of its own (`app.jobs`). How far it is stands in the
gallery (`Switching.progress`), so a change that was started in a terminal is seen as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from app.access import Role
from app.batch import allowed_folder, job_variables
from app.jobs import Job
from app.reembed import Problem
from app.switching import Change, How
from pipeline.build import embedder_identity
from pipeline.errors import JobError
from pipeline.gallery import Model
from pipeline.weights import ModelStore

if TYPE_CHECKING:
    from app.services import Services

State = Literal["none", "starting", "embedding", "preparing", "done", "refused", "stopped", "prepared"]
#: What turns a task off, by the word `models use` knows.
OFF = {"liveness": "no-liveness", "eyes": "no-eyes", "refiner": "none"}
_EARLIER_US = 2_000_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the last change of models is.

    Attributes:
        state: `none` where there was none; `stopped` where it can be gone on with.
        busy: A process is at it.
        ours: It was started from here, so it can be stopped and gone on with from here.
        what: The model that was asked for.
        done, total: Samples embedded, and in all.
        message: What was said last: about the thresholds, or why it did not go on.
        by: Who started it.
    """

    state: State
    busy: bool = False
    ours: bool = False
    what: str = ""
    done: int = 0
    total: int = 0
    message: str = ""
    by: str = ""


def use(
    services: Services, name: str, *, photos: str = "", leave_behind: bool = False, config: Path | None = None
) -> None:
    """Starts the change to a model.

    Args:
        services: Acting for an admin.
        name: An installed model, or a word of OFF.
        photos: Folder of the original photos, "" for none.
        leave_behind: Go on although somebody cannot be embedded.
        config: The settings file in use.

    Raises:
        NotAllowedError: The actor is no admin.
        ModelError: It is not installed.
        PhotoUnreadableError: The folder is none that may be named.
        JobError: A change is under way.
    """
    services.require(Role.ADMIN)
    if name not in OFF.values():
        ModelStore(services.settings.models_dir).installed(name)
    words = [*_photos(services, photos), *(["--leave-behind"] if leave_behind else [])]
    _start(services, ["models", "use", name, *words], name, config)


def rollback(services: Services, *, config: Path | None = None) -> None:
    """Starts the way back to the model of before. Errors: as `use`, where they fit."""
    services.require(Role.ADMIN)
    state = services.gallery.switching().state()
    if state is None or state.previous is None:
        raise JobError("there is no model to go back to: this gallery has been searched with one only")
    _start(services, ["models", "rollback"], state.previous.embedder, config)


def go_on(services: Services) -> None:
    """Starts the same again: what was embedded is kept. Errors: as `use`."""
    services.require(Role.ADMIN)
    job = job_of(services)
    about = job.about()
    if about is None:
        raise JobError("what was asked for is not known here: start the change again")
    job.start(about.arguments, job_variables(services), by=services.actor.name, note=about.note)


def stop(services: Services) -> None:
    """Asks the job to end; what was embedded is kept.

    Raises:
        NotAllowedError: The actor is no admin.
    """
    services.require(Role.ADMIN)
    job_of(services).stop()


def job_of(services: Services) -> Job:
    """The job of a data folder: there is one at a time."""
    return Job(services.settings.home / "jobs" / "models")


def standing(services: Services) -> Standing:
    """How far it is."""
    services.open_gallery_if_there()
    job = job_of(services)
    alive = job.alive()  # first: what ends after that is seen as it was before
    about, progress = job.about(), _progress(services)
    by, what = (about.by, about.note) if about is not None else ("", "")
    if about is not None and not _is_of(progress, about.started):
        if alive:
            return Standing("starting", True, True, what, by=by)
        said = job.last_words().removeprefix("knownface: ") if about.ended == "refused" else ""
        return Standing(about.ended, False, True, what, message=said, by=by)
    if progress is None:
        return Standing("none")
    ours = about is not None
    busy = alive if ours else bool(progress["running"])
    found: State = progress["state"]
    if not busy and found in ("embedding", "preparing"):
        found = "stopped"
    said = str(progress.get("message", ""))
    to = str(progress.get("to", ""))
    return Standing(found, busy, ours, to, int(progress.get("done", 0)), int(progress.get("total", 0)), said, by)


def expected(services: Services, name: str, photos: str = "") -> list[Problem]:
    """The samples that a change to this embedder would leave behind; nothing is changed.

    Raises:
        NotAllowedError: The actor is no admin.
        ModelError: It is not installed.
    """
    services.require(Role.ADMIN)
    services.open_gallery_if_there()
    settings = services.settings.model_copy(update={"embedder": name})
    folders = (allowed_folder(services, photos),) if photos.strip() else ()
    target = Model(*embedder_identity(settings))
    with services.gallery.of_model(target) as gallery:
        return list(Change(gallery, settings, How(folders)).expected())


def people_of(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    """The problems by person."""
    people: dict[str, list[Problem]] = {}
    for problem in problems:
        people.setdefault(problem.subject, []).append(problem)
    return people


def _photos(services: Services, text: str) -> list[str]:
    return ["--photos", str(allowed_folder(services, text))] if text.strip() else []


def _start(services: Services, words: list[str], what: str, config: Path | None) -> None:
    options = ["--config", str(config.absolute())] if config else []
    if standing(services).busy:
        raise JobError("a change of the models is under way: wait for it, or stop it first")
    job = job_of(services)
    job.start([*options, *words], job_variables(services), by=services.actor.name, note=what)
    services.gallery.record("model_job", f"model:{what}", {"words": words[:2]})


def _progress(services: Services) -> dict[str, Any] | None:
    return services.gallery.switching().progress()


def _is_of(progress: dict[str, Any] | None, started: str) -> bool:
    """Whether what stands in the gallery is of the job that began then, or of a later change."""
    if progress is None:
        return False
    began_us = datetime.fromisoformat(started).timestamp() * 1e6
    return bool(progress.get("started_us", 0) >= began_us - _EARLIER_US)
