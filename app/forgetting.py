"""A person erased from what lies beside the gallery: runs, the clusters of unknown faces, the cache of evaluations."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from app.jobs import forget as forget_jobs
from app.kept import forget_photos
from app.runs.place import JOB, runs_folder
from pipeline.errors import ModelMismatchError, ModelSwitchedError, NoOperatingPointError, ResultsError, RunError

if TYPE_CHECKING:
    from app.runs import Run
    from app.runs.forget import Forgotten
    from app.services import Services
    from pipeline.gallery import SubjectDetail
    from pipeline.gallery.vault.files import FileKeys


def forget_person(services: Services, subject: str) -> Forgotten:
    """Erases whoever is enrolled under this name; to be called while they still are.

    Every run is decided anew first: a face that was found before the person was enrolled, renamed, merged or split goes
    too. A run of another model, or one that cannot be decided, is searched for the name and the enrolled photos alone.

    Args:
        services: Of the gallery.
        subject: The name as it is stored.

    What jobs have said goes too, where it names the person. `rewrite_results` does the rest, once the gallery has
    forgotten them.

    Raises:
        SubjectNotFoundError: There is no such subject.
        LegalHoldError: It is under a legal hold; nothing was erased.
        ConfigError, JobError, RunDamagedError, UnknownsDamagedError: A file cannot be written.
    """
    gallery, home, keys = services.gallery, services.settings.home, services.file_keys
    gallery.require_erasable(subject)
    photos = [sample.photo_sha256 for sample in gallery.subject(subject).samples]
    forget_photos(home, photos)
    from app.runs.forget import Forgotten

    forget_jobs((*home.glob("jobs/*"), *home.glob(f"runs/*/{JOB}")), subject)
    if not _anything(home):
        return Forgotten()
    from app.runs import runs_of
    from app.runs.forget import forget
    from app.unknowns import forget as forget_unknowns

    for run in runs_of(home, keys):
        if not run.is_busy():
            with suppress(ModelMismatchError, ModelSwitchedError, NoOperatingPointError):
                run.decide(services)
    faces = forget_unknowns(home, photo_sha256s=photos, subject=subject, keys=keys)
    forgotten = forget(home, photo_sha256s=photos, subject=subject, faces=faces, keys=keys)
    forget_photos(home, forgotten.photos)
    return forgotten


def rewrite_results(services: Services, runs: Iterable[Run]) -> tuple[list[Path], list[str]]:
    """Writes the results of runs anew where they were written last (`--out`), decided by the gallery as it is now.

    Returns:
        The files that were written, and why any could not be, in words.
    """
    from app.runs.output.again import is_written, rewrite

    files: list[Path] = []
    failed = []
    for run in runs:
        try:
            if not is_written(run):  # deciding it can wait until somebody asks
                continue
            with suppress(ModelMismatchError, ModelSwitchedError, NoOperatingPointError):
                run.decide(services)
            files += rewrite(run, services.gallery.picture)
        except (ResultsError, RunError) as error:
            failed.append(error.message)
    return files, failed


def forget_name(home: Path, detail: SubjectDetail, keys: FileKeys) -> None:
    """Takes somebody's name out of runs and clusters, and the photos out of the cache; faces in runs stay, unnamed.

    Raises:
        ConfigError, RunDamagedError, UnknownsDamagedError: A file cannot be written.
    """
    forget_photos(home, [sample.photo_sha256 for sample in detail.samples])
    if _anything(home):
        from app.runs.forget import forget
        from app.unknowns import rename as rename_unknowns

        forget(home, subject=detail.info.name, keep=True, keys=keys)
        rename_unknowns(home, detail.info.name, None, keys)


def call_anew(home: Path, old: str, new: str, keys: FileKeys) -> None:
    """Renames somebody in runs and clusters, so that what they hold of a person is found under the person's name.

    Raises:
        RunDamagedError, UnknownsDamagedError: A file cannot be written.
    """
    if _anything(home):
        from app.runs.forget import rename
        from app.unknowns import rename as rename_unknowns
        from pipeline.gallery import normalise

        old, new = normalise(old), normalise(new)
        rename(home, old, new, keys)
        rename_unknowns(home, old, new, keys)


def _anything(home: Path) -> bool:
    """Whether there are runs or clusters: most have none, and are spared the import."""
    return runs_folder(home).is_dir() or (home / "unknowns").is_dir()
