"""Runs over folders that a page starts: whose folders, as what process, and how far each is."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from app.access import LOCAL, Role
from app.brought import Brought, bring
from app.jobs import About, Job
from app.runs import Run, place
from pipeline.errors import JobError, PhotoUnreadableError, RunNameError, RunNotFoundError
from pipeline.gallery import private
from pipeline.images import one_line

if TYPE_CHECKING:
    from app.services import Services

_FOLDER, _BROUGHT = "folder", "brought"


@dataclass(frozen=True, slots=True)
class Batch:
    """A run as the page shows it.

    Attributes:
        name: Of the run.
        state: As `Run.progress` says, `starting` before there is a ledger, `failed` where it ended with `message`.
        busy: A process works on it.
        ours: That process can be stopped from here.
        total, done, failed, faces: Files in all, finished, without a result; faces found.
        started: When (ISO, UTC); None where that is not known.
        by: Who started it, "" where it was not started here.
        message: Why it could not be finished.
        readable: There is a result to look at.
        again: The same can be started again: its folder is known, or what was brought along is still there.
    """

    name: str
    state: str
    busy: bool
    ours: bool
    total: int = 0
    done: int = 0
    failed: int = 0
    faces: int = 0
    started: str | None = None
    by: str = ""
    message: str = ""
    readable: bool = False
    again: bool = False


# --- starting -------------------------------------------------------------------------------------------------


def allowed_folder(services: Services, text: str) -> Path:
    """The folder that is meant, links resolved, where whoever acts may run over it.

    Who sits at this machine may name any folder. Whoever logged in may name those in `batch_folders` of the settings
    and what lies in them, whatever their role: other folders of the server are not theirs to look into.

    Raises:
        PhotoUnreadableError: It is no folder, or none that they may name; both are said alike.
    """
    services.require(Role.OPERATOR)
    refused = PhotoUnreadableError(
        f"{one_line(text)}: is no folder that runs may be started over: name one of `batch_folders` of the settings, "
        "or a folder in it"
    )
    try:
        asked = Path(text.strip()).expanduser()
        if "\0" in text or not asked.is_absolute():
            raise refused
        folder = asked.resolve()
        allowed = [one.resolve() for one in services.settings.batch_folders]
        at_home = services.actor is LOCAL
        if not at_home and not any(folder.is_relative_to(one) for one in allowed):
            raise refused
        if not folder.is_dir():
            raise PhotoUnreadableError(f"{one_line(text)}: there is no such folder") if at_home else refused
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a user there is not, half of a character
        raise refused from error
    return folder


def start_folder(services: Services, name: str, text: str, config: Path | None = None) -> None:
    """Starts a run over a folder of this machine, or goes on with it.

    Args:
        services: Acting for an operator.
        name: Of the run.
        text: The folder, as it was typed.
        config: The settings file in use.

    Raises:
        NotAllowedError: The actor is no operator.
        RunNameError: The run cannot be called so.
        PhotoUnreadableError: As `allowed_folder`.
        JobError: Another run is under way.
    """
    folder = allowed_folder(services, text)
    _start(services, name, folder, config, note=_FOLDER)


def start_brought(
    services: Services, name: str, photos: Iterable[Brought], *, keep: bool, config: Path | None = None
) -> int:
    """Starts a new run over photos that were brought along: they are put into the run's folder.

    Args:
        services: Acting for an operator.
        name: Of the run, a new one.
        photos: They are read one at a time; their names are cleaned and only shown.
        keep: Keep them there until the run is removed; else, and in any case beside an encrypted gallery, they go when
            it ends.
        config: The settings file in use.

    Returns:
        How many there are.

    Raises:
        NotAllowedError: The actor is no operator.
        RunNameError: The run cannot be called so, or there is one of this name.
        PhotoError, DiskFullError: As `bring`.
        JobError: Another run is under way.
    """
    services.require(Role.OPERATOR)
    job = job_of(services.settings.home, name)
    if job.folder.parent.exists():
        raise RunNameError(f"there is a run {name} already: choose another name")
    try:
        discard = not keep or services.file_keys.current() is not None  # photos are not encrypted: they do not stay
        count = bring(photos, job.input)
        _start(services, name, job.input, config, note=_BROUGHT, discard=discard)
    except BaseException:
        shutil.rmtree(job.folder.parent, ignore_errors=True)
        raise
    return count


def again(services: Services, name: str, config: Path | None = None) -> None:
    """Starts the same run again: what is new or failed is done, and all is decided by the gallery as it is now.

    Raises:
        NotAllowedError, PhotoUnreadableError, JobError: As `start_folder`.
        RunNotFoundError: It was not started here, or what was brought along is gone.
    """
    services.require(Role.OPERATOR)
    job = job_of(services.settings.home, name)
    about = job.about()
    if about is None or not _can_again(job, about):
        raise RunNotFoundError(f"{name}: the photos of this run are not known here any more: start a new one")
    if about.note == _FOLDER:
        start_folder(services, name, about.arguments[-1], config)
    else:
        _start(services, name, job.input, config, note=_BROUGHT, discard=about.discard)


def _start(
    services: Services, name: str, folder: Path, config: Path | None, *, note: str, discard: bool = False
) -> None:
    services.require(Role.OPERATOR)
    home = services.settings.home
    job = job_of(home, name)
    private.make_folder(place.runs_folder(home))
    with FileLock(place.runs_folder(home) / ".jobs.lock", timeout=60, mode=private.FILE_MODE):
        if other := next((one for one in _jobs(home) if one.alive()), None):
            raise JobError(f"the run {other.folder.parent.name} is under way: wait for it, or stop it first")
        private.make_folder(job.folder.parent)
        options = ["--config", str(config.absolute())] if config else []
        arguments = [*options, "identify", "--run", name, "--", str(folder)]
        job.start(arguments, job_variables(services), by=services.actor.name, discard=discard, note=note)
    services.gallery.record("run", detail={"over": note})


def job_variables(services: Services) -> Mapping[str, str]:
    """What the process of a job needs to work on the same gallery and data folder."""
    gallery = services.settings.gallery_location
    whole = gallery if "://" in gallery else str(Path(gallery).absolute())
    return {"KNOWNFACE_GALLERY": whole, "KNOWNFACE_HOME": str(services.settings.home.absolute())}


# --- what there is --------------------------------------------------------------------------------------------


def job_of(home: Path, name: str) -> Job:
    """The job of a run, which need not be there. Errors: `place.check_name`."""
    return Job(place.run_folder(home, name) / place.JOB)


def batches(home: Path) -> list[Batch]:
    """Every run of a data folder, the newest first; those that were started from a terminal too."""
    folder = place.runs_folder(home)
    names = [one.name for one in folder.iterdir() if one.is_dir()] if folder.is_dir() else []
    found = [one for name in names if (one := batch_of(home, name)) is not None]
    return sorted(found, key=lambda one: (one.started or "", one.name), reverse=True)


def batch_of(home: Path, name: str) -> Batch | None:
    """How far a run is; None where there is no such run."""
    try:
        job = job_of(home, name)
    except RunNameError:
        return None
    alive = job.alive()  # first: what ends after that is seen as it was before
    about, progress = job.about(), _progress(home, name)
    known: dict[str, Any] = {"by": about.by if about else "", "again": about is not None and _can_again(job, about)}
    if progress is None and about is not None:
        begun: dict[str, Any] = {} if alive else _why(job)
        return Batch(name, "starting" if alive else "failed", alive, alive, started=about.started, **begun, **known)
    if progress is None:
        return None
    state, busy = progress["state"], alive or progress["state"] not in {"finished", "stopped"}
    known |= {key: progress[key] for key in ("total", "done", "failed", "faces")}
    known["started"] = progress["started"] or (about.started if about else None)
    if alive and state == "stopped":
        state = "starting"
    elif state == "stopped" and about is not None and about.code not in (None, 0, 130):
        return Batch(name, "failed", busy, alive, readable=not busy, **_why(job), **known)
    return Batch(name, state, busy, alive, readable=not busy, **known)


def _why(job: Job) -> dict[str, Any]:
    return {"message": job.last_words().removeprefix("knownface: ")}


def _progress(home: Path, name: str) -> dict[str, Any] | None:
    try:
        return Run.open(home, name).progress()
    except RunNotFoundError:
        return None


def _can_again(job: Job, about: About) -> bool:
    return about.note == _FOLDER or (about.note == _BROUGHT and job.input.is_dir())


def _jobs(home: Path) -> list[Job]:
    return [Job(one / place.JOB) for one in place.runs_folder(home).iterdir() if (one / place.JOB).is_dir()]


# --- ending ---------------------------------------------------------------------------------------------------


def stop(services: Services, name: str) -> None:
    """Asks a run that was started here to end; what is complete is kept.

    Raises:
        NotAllowedError: The actor is no operator.
    """
    services.require(Role.OPERATOR)
    job_of(services.settings.home, name).stop()


def remove(services: Services, name: str) -> None:
    """Erases a run: its templates, pictures and names, and what was brought along for it.

    Raises:
        NotAllowedError: The actor is no admin.
        LegalHoldError: Somebody is recognised in it who is under a legal hold.
        RunBusyError, JobError: A process works on it.
    """
    services.require(Role.ADMIN)
    home = services.settings.home
    job = job_of(home, name)
    if job.alive():
        raise JobError(f"the run {name} is under way: stop it first")
    try:
        services.remove_run(name)
    except RunNotFoundError:
        job.remove()
        shutil.rmtree(job.folder.parent, ignore_errors=True)
        services.gallery.record("run_remove")
