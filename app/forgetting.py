"""A person erased from what lies beside the gallery: runs and what they have written, unknown faces, the cache."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.jobs import forget as forget_jobs
from app.kept import forget_photos
from app.runs.place import JOB, runs_folder
from pipeline.errors import ModelMismatchError, ModelSwitchedError, NoOperatingPointError, ResultsError, RunError

if TYPE_CHECKING:
    from app.needles import Needle
    from app.runs.forget import Forgotten
    from app.runs.output.away import Away
    from app.runs.places import Left
    from app.services import Services
    from pipeline.gallery import SubjectDetail
    from pipeline.gallery.vault.files import FileKeys


Progress = Callable[[str], None]
"""Is told what is done now, in a few words."""


@dataclass(slots=True)
class Written:
    """What became of the result files that runs have written.

    Attributes:
        files: Those that were written anew.
        failed: Why some could not be, in words.
        left: What was left as it is, and why.
        absent: Folders that are not there.
    """

    files: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    absent: list[Left] = field(default_factory=list)


def forget_person(services: Services, subject: str, told: Progress = lambda _: None) -> tuple[Forgotten, Away]:
    """Erases whoever is enrolled under this name; to be called while they still are.

    Every run is decided anew first: a face that was found before the person was enrolled, renamed, merged or split goes
    too. A run of another model, or one that cannot be decided, is searched for the name and the enrolled photos alone.

    Args:
        services: Of the gallery.
        subject: The name as it is stored.
        told: What is done now.

    What jobs have said goes too, where it names the person, and folders and sidecars that runs have made.
    `rewrite_results` does the rest, once the gallery has forgotten them.

    Raises:
        SubjectNotFoundError: There is no such subject.
        LegalHoldError: It is under a legal hold; nothing was erased.
        ConfigError, JobError, ResultsError, RunDamagedError, UnknownsDamagedError: A file cannot be written.
    """
    gallery, home, keys = services.gallery, services.settings.home, services.file_keys
    gallery.require_erasable(subject)
    photos = [sample.photo_sha256 for sample in gallery.subject(subject).samples]
    forget_photos(home, photos)
    from app.runs.forget import Forgotten
    from app.runs.output.away import Away, Person, take_away

    forget_jobs((*home.glob("jobs/*"), *home.glob(f"runs/*/{JOB}")), subject)
    away = Away()
    if not _anything(home):
        return Forgotten(), away
    from app.runs import runs_of
    from app.runs.forget import about, forget
    from app.unknowns import forget as forget_unknowns

    runs = runs_of(home, keys)
    for number, run in enumerate(runs, 1):
        told(f"deciding run {number} of {len(runs)} anew")
        if not run.is_busy():
            with suppress(ModelMismatchError, ModelSwitchedError, NoOperatingPointError):
                run.decide(services)
    faces = forget_unknowns(home, photo_sha256s=photos, subject=subject, keys=keys)
    told("taking the person out of folders and sidecars")
    for run in runs:
        theirs = about(run, photo_sha256s=photos, subject=subject, faces=faces)
        take_away(run, Person(subject, *theirs), away)
    told("erasing faces from runs")
    forgotten = forget(home, photo_sha256s=photos, subject=subject, faces=faces, keys=keys)
    forget_photos(home, forgotten.photos)
    return forgotten, away


def owe_results(services: Services, needles: Sequence[Needle]) -> None:
    """Notes which runs have written results that show a person, though their ledgers no longer do.

    That is where a run named the person once, and not any more. What cannot be searched, as it is compressed, is taken
    to show them.

    Raises:
        RunDamagedError: A ledger cannot be read or written.
    """
    home = services.settings.home
    if not _anything(home):
        return
    from app import traces
    from app.runs import runs_of
    from app.runs.output.again import files_of, result_places
    from app.runs.places import is_owed, owe
    from app.runs.schema import transaction

    for run in runs_of(home, services.file_keys):
        places = [] if is_owed(run) else result_places(run)
        shows = False
        for place in places:
            files = list(files_of(place))
            plain = [file for file in files if file.suffix != ".parquet"]
            shows |= bool(files and not plain) or bool(traces.scan(plain, needles).traces)
        if shows:
            with run.connected() as connection, transaction(connection):
                owe(connection)


def rewrite_results(services: Services, told: Progress = lambda _: None) -> Written:
    """Writes results of runs anew, decided by the gallery as it is now: all that still show who was erased from them.

    It goes by what the ledgers say, so what a killed process has left is done by the next one.
    """
    done, home = Written(), services.settings.home
    if not _anything(home):
        return done
    from app.runs import runs_of
    from app.runs.output.again import result_places, write_anew
    from app.runs.places import is_owed, settle

    runs = runs_of(home, services.file_keys)
    known: dict[Path, set[str]] = defaultdict(set)
    for run in runs:
        for place in result_places(run):
            for name, hashes in place.said["files"].items():
                known[Path(place.path, name)] |= set(hashes)
    for run in filter(is_owed, runs):
        try:
            if result_places(run):  # deciding it can wait until somebody asks
                told(f"writing the results of the run {run.name} anew")
                with suppress(ModelMismatchError, ModelSwitchedError, NoOperatingPointError):
                    run.decide(services)
                anew = write_anew(run, services.gallery.picture, known)
                done.files += anew.files
                done.left += anew.left
                done.absent += anew.absent
            settle(run)
        except (ResultsError, RunError) as error:
            done.failed.append(error.message)
    return done


def owed(services: Services) -> bool:
    """Whether results of runs still show somebody who was erased by a process that was killed."""
    home = services.settings.home
    if not _anything(home):
        return False
    from app.runs import runs_of
    from app.runs.places import is_owed

    return any(is_owed(run) for run in runs_of(home, services.file_keys))


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
