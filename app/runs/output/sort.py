"""Photos in a folder per person, as links or copies. The originals are never touched, and nothing is overwritten.

What was put where stands in a hidden file of the folder (`app.photos.RESULTS_MARKER`). By that file the next run passes
the folder over when it looks for photos, people keep their folders, and what no longer holds is taken away again: a
link, or a copy of a photo that is still where it was.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.runs.output.manifest import How, Manifest, Placed
from app.runs.output.placing import content_is, is_placed, place
from app.runs.output.safe_names import UNKNOWN, folder_name, folder_names
from app.runs.output.source import Results, photos
from pipeline.errors import PhotoError, ResultsError
from pipeline.gallery import private
from pipeline.images import one_line


@dataclass
class Sorted:
    """What became of it.

    Attributes:
        placed: Links or copies made now.
        already: Those that were there.
        removed: Those of an earlier time that no longer hold.
        kept: Those of an earlier time that no longer hold but were not removed: they are no longer what was put there,
            or the original is gone.
        failed: Photos that could not be placed, with the reason.
    """

    placed: int = 0
    already: int = 0
    removed: int = 0
    kept: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Wanted:
    folder: str
    photo: str
    sha256: str


def sort_into(run: Results, folder: Path, how: How = "symlink", *, unknown: bool = False) -> Sorted:
    """Puts each photo into the folder of everybody named in it; a photo of two people goes into both.

    Args:
        run: What was identified.
        folder: Made if need be; one that is not empty must have been made by this function.
        how: `symlink`, `hardlink` or `copy`.
        unknown: Clusters of two and more unknown faces get folders, too: `_unknown/CLUSTER`.

    Returns:
        The counts, and the photos that could not be placed.

    Raises:
        ResultsError: The folder is none of ours, holds photos of the run, or cannot be written to.
    """
    root = folder.resolve()
    people = _check(run, folder, root)
    manifest = Manifest.open(root)
    manifest.folders = folder_names(people, manifest.folders)
    wanted = list(_wanted(run, manifest.folders, unknown=unknown))
    manifest.write()  # the folder is ours from the first moment, whenever this may end
    result = Sorted()
    manifest.files = _without_stale(root, manifest.files, wanted, how, result)
    for one in wanted:
        _put(root, one, how, manifest.files, result)
    manifest.write()
    return result


def _check(run: Results, folder: Path, root: Path) -> set[str]:
    """Everybody named; refuses a folder that holds photos of the run."""
    places = {f"{os.path.abspath(folder)}{os.sep}", f"{root}{os.sep}"}  # noqa: PTH100 - links are not resolved here
    people = set()
    for paths, faces in photos(run):
        for path in paths:
            if path.startswith(tuple(places)):
                raise ResultsError(
                    f"{one_line(str(folder))}: holds photos that were identified ({one_line(path)}): "
                    "name another folder to sort into"
                )
        people |= {face.subject for face in faces if face.decision == "match" and face.subject is not None}
    return people


def _wanted(run: Results, folders: Mapping[str, str], *, unknown: bool) -> Iterator[_Wanted]:
    clusters = Counter(face.cluster for face in run.faces() if face.decision == "unknown") if unknown else Counter()
    for paths, faces in photos(run):
        named = {folders[face.subject] for face in faces if face.decision == "match" and face.subject is not None}
        found = {face.cluster for face in faces if face.cluster is not None and clusters[face.cluster] > 1}
        named |= {f"{UNKNOWN}/{folder_name(cluster)}" for cluster in found}
        for name in sorted(named):
            yield _Wanted(name, paths[0], faces[0].sha256)


def _names(one: _Wanted) -> tuple[str, str]:
    """The photo's own name, and one for where another photo has that name."""
    name = os.path.basename(one.photo)  # noqa: PTH119 - of a hundred thousand paths
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return f"{one.folder}/{name}", f"{one.folder}/{stem}-{one.sha256[:8]}{suffix}"


def _without_stale(
    root: Path, files: Mapping[str, Placed], wanted: list[_Wanted], how: How, result: Sorted
) -> dict[str, Placed]:
    """Takes away what no longer holds, where that loses nothing; what is left."""
    holds = {(name, one.photo, one.sha256) for one in wanted for name in _names(one)}
    left = {}
    for name, placed in files.items():
        file = root / name
        if not os.path.lexists(file):
            continue
        if placed.how == how and (name, placed.photo, placed.sha256) in holds:
            left[name] = placed
        elif is_placed(file, placed) and loses_nothing(root, file, placed):
            file.unlink()
            result.removed += 1
            remove_empty(file.parent, root)
        else:
            result.kept.append(str(file))
    return left


def loses_nothing(root: Path, file: Path, placed: Placed) -> bool:
    """Whether the photo is still elsewhere: a link, or a copy whose original stands outside of the folder.

    What is said to be put there may be somebody else's word: it must lie in the folder itself, not behind a link.
    """
    real = Path(os.path.realpath(placed.photo))
    if file.parent.resolve() != file.parent or real.is_relative_to(root):
        return False
    return placed.how == "symlink" or content_is(placed.photo, placed.sha256)


def remove_empty(folder: Path, root: Path) -> None:
    """Removes a folder below the root, and those above it, that hold nothing any more."""
    while folder != root:
        try:
            folder.rmdir()
        except OSError:  # not empty
            return
        folder = folder.parent


def _put(root: Path, one: _Wanted, how: How, files: dict[str, Placed], result: Sorted) -> None:
    placed = Placed(one.photo, one.sha256, how)
    try:
        _make_folders(root, one.folder)
        for name in _names(one):
            if is_placed(root / name, placed):
                files[name] = placed
                result.already += 1
                return
        for name in _names(one):
            if not os.path.lexists(root / name) and place(root / name, placed):
                files[name] = placed
                result.placed += 1
                return
        result.failed.append((one.photo, f"{one_line(one.photo)}: other files have its name in {one.folder}"))
    except PhotoError as error:
        result.failed.append((one.photo, error.message))
    except OSError as error:
        reason = error.strerror or str(error)
        result.failed.append((one.photo, f"{one_line(one.photo)}: cannot be placed in {one.folder} ({reason})"))


def _make_folders(root: Path, name: str) -> None:
    """Makes a folder below the root; one that is a link to somewhere else is refused."""
    folder = root
    for part in name.split("/"):
        folder /= part
        if folder.is_symlink():
            raise NotADirectoryError(0, "a link stands in place of the folder")
        private.make_folder(folder)
