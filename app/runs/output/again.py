"""A run's result files once more, where they were written before, after somebody was named or erased."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.photos import RESULTS_MARKER
from app.runs import rows, schema
from app.runs.output.files import folder_for, write_bytes
from app.runs.output.pictures import PATTERN, is_picture
from app.runs.output.report_data import Portraits
from app.runs.output.write import FORMATS, Format, file_name, write_results
from app.runs.places import Left, Place, is_as_noted, note, places_of
from app.runs.records import Run
from pipeline.errors import ResultsError

_KEY = "results"
_FRESH = ".knownface-again"
PICTURES = "report-files"


def write_and_note(
    run: Run, out: Path, formats: Sequence[Format], *, assets: bool, portraits: Portraits | None = None
) -> list[Path]:
    """Writes results, and notes in the ledger where and what, so that an erasure finds them. As `write_results`."""
    remember(run, out, formats, assets=assets)  # that something may be there, wherever this ends
    files = write_results(run, out, formats, assets=assets, portraits=portraits)
    remember(run, out, formats, assets=assets)
    return files


def remember(run: Run, out: Path, formats: Sequence[Format], *, assets: bool) -> None:
    """Notes in the ledger where a run's results were written, how, and the hashes of what lies there."""
    place = os.path.realpath(out)
    known = next((one.said for one in places_of(run, "results") if one.path == place), {})
    lie = {name: [sha] for kind in formats if (sha := _hash(out / (name := file_name(kind)))) is not None}
    said = {"files": {**known.get("files", {}), **lie}, "assets": assets or bool(known.get("assets"))}
    note(run, "results", {place: said})
    with run.connected() as connection, schema.transaction(connection):
        written = {"out": str(out.absolute()), "formats": list(formats), "assets": assets}
        rows.set_meta(connection, **{_KEY: written})


def is_written(run: Run) -> bool:
    """Whether its results were written, into a folder that is there."""
    noted = run.meta().get(_KEY)
    return noted is not None and Path(noted["out"]).is_dir()


def rewrite(run: Run, portraits: Portraits | None = None) -> list[Path]:
    """Writes those that were written last again; nothing where they never were, or where the folder is gone.

    Args:
        run: What to write.
        portraits: As in `write_results`, whose errors it has.
    """
    if not is_written(run):
        return []
    noted = run.meta()[_KEY]
    formats = [kind for kind in FORMATS if kind in noted["formats"]]
    return write_and_note(run, Path(noted["out"]), formats, assets=bool(noted["assets"]), portraits=portraits)


# --- after an erasure: every place, and only what is ours ---------------------------------------------------------


@dataclass(slots=True)
class Anew:
    """What became of all results of a run.

    Attributes:
        files: Those that were written anew.
        left: What stands there and is not what was written, and places behind a link.
        absent: Folders that are not there.
    """

    files: list[Path] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    absent: list[Left] = field(default_factory=list)


def result_places(run: Run) -> list[Place]:
    """Every folder that results were written into; that of a ledger which is older than the list too."""
    found = places_of(run, "results")
    noted = run.meta().get(_KEY)
    if noted is None or os.path.realpath(noted["out"]) in {place.path for place in found}:
        return found
    any_file: dict[str, list[str]] = {file_name(kind): [] for kind in FORMATS if kind in noted["formats"]}
    return [*found, Place(noted["out"], {"files": any_file, "assets": bool(noted["assets"])})]


def files_of(place: Place) -> dict[Path, Sequence[str]]:
    """The result files of a place that stand there, and the hashes they may have; none where any may be ours."""
    if not is_as_noted(place.path):
        return {}
    files = {Path(place.path, name): hashes for name, hashes in place.said["files"].items()}
    return {file: hashes for file, hashes in files.items() if os.path.lexists(file)}


def write_anew(run: Run, portraits: Portraits | None, known: dict[Path, set[str]]) -> Anew:
    """Writes every result that stands where it was written, from the ledger as it is; nothing else is touched.

    A process that is killed leaves each file as it was or as it is to be, and the next one goes on.

    Args:
        run: What to write.
        portraits: As in `write_results`, whose errors it has.
        known: Files that other runs have written, with their hashes: two may share a folder. Those of this one come in.
    """
    done = Anew()
    for place in result_places(run):
        if os.path.lexists(place.path) and not is_as_noted(place.path):
            why = "a link stands where results were written, and was not followed: remove the results yourself"
            done.left.append(Left(place.path, why))
        elif not Path(place.path).is_dir():
            why = "is not there: where it was moved, or its disk is not mounted, remove the results in it there"
            done.absent.append(Left(place.path, why))
        else:
            try:
                _write_place(run, place, portraits, known, done)
            except OSError as error:
                raise ResultsError(f"{place.path}: cannot be written anew ({error.strerror or error})") from error
    return done


def _write_place(run: Run, place: Place, portraits: Portraits | None, known: dict[Path, set[str]], done: Anew) -> None:
    ours = []
    for file, hashes in files_of(place).items():
        lies = _hash(file)
        if lies is not None and (not hashes or lies in hashes):
            ours.append(file)
        elif lies not in known.get(file, ()):
            done.left.append(Left(str(file), "is not what was written there, and was left: remove it yourself"))
    out, assets = Path(place.path), bool(place.said["assets"])
    formats = [kind for kind in FORMATS if out / file_name(kind) in ours]
    if not formats:
        return
    with _fresh(out) as folder:
        write_results(run, folder, formats, assets=assets, portraits=portraits)
        made = {name: _hash(folder / name) for name in map(file_name, formats)}
        both = {name: [*place.said["files"][name], sha] for name, sha in made.items()}
        note(run, "results", {place.path: {**place.said, "files": {**place.said["files"], **both}}})
        shown = _pictures(folder / PICTURES, out / PICTURES, done) if assets and "html" in formats else None
        for name, sha in made.items():
            (folder / name).replace(out / name)
            done.files.append(out / name)
            known.setdefault(out / name, set()).add(str(sha))
        if shown is not None:
            _tidy(out / PICTURES, shown, done)
    now = {**place.said["files"], **{name: [sha] for name, sha in made.items()}}
    note(run, "results", {place.path: {**place.said, "files": now}})


@contextmanager
def _fresh(out: Path) -> Iterator[Path]:
    """A folder beside the results, which goes again; one that a killed process has left goes first."""
    folder = out / _FRESH
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder_for(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pictures(made: Path, there: Path, done: Anew) -> set[str] | None:
    """Puts the pictures of a page beside it, and returns their names; None where something else stands there."""
    if there.is_symlink() or (there.exists() and not (there / RESULTS_MARKER).is_file()):
        done.left.append(Left(str(there), "is not the folder of the report's pictures, and was left: look at it"))
        return None
    folder_for(there)
    write_bytes(there / RESULTS_MARKER, (made / RESULTS_MARKER).read_bytes())
    shown = {str(file.relative_to(made)) for file in made.glob(PATTERN)}
    for name in shown:
        target = there / name
        if not target.parent.is_symlink() and not os.path.lexists(target):
            folder_for(target.parent)
            (made / name).rename(target)
    return shown


def _tidy(there: Path, shown: set[str], done: Anew) -> None:
    """Removes the pictures that the page has no more; a file that is no picture of ours stays."""
    for file in there.glob(PATTERN):
        if str(file.relative_to(there)) in shown:
            continue
        if is_picture(file):
            file.unlink()
            with suppress(OSError):  # not empty
                file.parent.rmdir()
        else:
            done.left.append(Left(str(file), "is not the picture that was written there: look at it"))


def _hash(file: Path) -> str | None:
    """SHA-256 of a regular file that is no link; None for anything else."""
    if file.is_symlink() or not file.is_file():
        return None
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
