"""Somebody taken out of what a run has put beside photos: folders that were sorted into, and XMP sidecars.

It goes by what was noted when they were written (`app.runs.places`), and by what stands there: a link or copy that is
what was put there, names and regions that are marked as ours. Whatever else is there stays, and is listed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from app.photos import RESULTS_MARKER
from app.runs.output.files import write_bytes
from app.runs.output.manifest import Manifest, Placed
from app.runs.output.placing import is_placed
from app.runs.output.safe_names import UNKNOWN, folder_name
from app.runs.output.sort import loses_nothing, remove_empty
from app.runs.output.xmp import read_sidecar, sidecar_mode
from app.runs.output.xmp_document import Sidecar, XmpError
from app.runs.places import Left, is_as_noted, places_of
from app.runs.records import Run
from pipeline.errors import ResultsError


@dataclass(frozen=True, slots=True)
class Person:
    """Who is taken out of what a run has written.

    Attributes:
        name: As they are enrolled.
        faces: Their faces in the run, by `face_id`, under whatever name.
        photos: SHA-256 of the photos these are in.
    """

    name: str
    faces: frozenset[str] = frozenset()
    photos: frozenset[str] = frozenset()


@dataclass(slots=True)
class Away:
    """What became of it.

    Attributes:
        placed: Links and copies that were removed.
        sidecars: Sidecars that were changed or removed.
        left: What was left, and why.
        absent: What is not there.
        looked: Files that are to be searched for what might be left.
    """

    placed: int = 0
    sidecars: int = 0
    left: list[Left] = field(default_factory=list)
    absent: list[Left] = field(default_factory=list)
    looked: list[Path] = field(default_factory=list)


def take_away(run: Run, person: Person, done: Away) -> None:
    """Takes a person out of the folders and sidecars of a run; again, where a process was killed, does the rest.

    Args:
        run: Still with the person's faces and decisions.
        person: Who.
        done: What became of it is put in here.

    Raises:
        RunDamagedError: The ledger cannot be read.
    """
    folders = places_of(run, "sorted")
    others = _others(run, person) if folders else {}
    missing: dict[str, int] = {}
    acts = [partial(_from_folder, place.path, person, others, done) for place in folders]
    acts += [partial(_from_sidecar, place.path, person, done, missing) for place in places_of(run, "sidecar")]
    for act in acts:
        try:
            act()
        except ResultsError as error:
            done.left.append(Left(act.args[0], error.message))
        except OSError as error:
            why = f"cannot be changed ({error.strerror or error}), and was left: take the person out yourself"
            done.left.append(Left(act.args[0], why))
    for folder, count in missing.items():
        why = f"is not there, and {count:,} XMP sidecars were written in it: if it was moved, take the name out there"
        done.absent.append(Left(folder, why))


def _others(run: Run, person: Person) -> dict[str, set[tuple[str, str]]]:
    """Who else is in the person's photos: ("match", name) and ("unknown", cluster), by the photo's SHA-256."""
    found: dict[str, set[tuple[str, str]]] = {photo: set() for photo in person.photos}
    for face in run.faces(sorted(person.photos)):
        if face.face_id in person.faces:
            continue
        if face.decision == "match" and face.subject not in (None, person.name):
            found[face.sha256].add(("match", face.subject or ""))
        elif face.cluster is not None:
            found[face.sha256].add(("unknown", face.cluster))
    return found


# --- folders ------------------------------------------------------------------------------------------------------


def _from_folder(path: str, person: Person, others: Mapping[str, set[tuple[str, str]]], done: Away) -> None:
    root = Path(path)
    if is_as_noted(path) and not root.is_dir():
        why = "is not there: where it was moved, or its disk is not mounted, remove the person's folder in it there"
        done.absent.append(Left(path, why))
        return
    if not is_as_noted(path) or not (root / RESULTS_MARKER).is_file():
        why = "is no longer the folder that photos were sorted into, and was left: remove the person's folder yourself"
        done.left.append(Left(path, why))
        return
    manifest = Manifest.open(root)
    mine, touched = manifest.folders.pop(person.name, None), set()
    for name in _gone(manifest, mine, person, others):
        touched.add(os.path.dirname(name))  # noqa: PTH120
        placed = manifest.files.pop(name)
        done.placed += _remove(root, name, placed, done)
    kept = {os.path.dirname(name) for name in manifest.files}  # noqa: PTH120
    empty = touched - kept
    manifest.folders = {who: folder for who, folder in manifest.folders.items() if folder not in empty}
    manifest.write()
    done.looked.append(root / RESULTS_MARKER)
    if mine is not None and os.path.lexists(root / mine):
        why = "is called after the person, and holds files that were not put there: rename or remove it"
        done.left.append(Left(str(root / mine), why))


def _gone(
    manifest: Manifest, mine: str | None, person: Person, others: Mapping[str, set[tuple[str, str]]]
) -> list[str]:
    """What was put there because of the person: in their folder, or their photo where nobody else's face holds it."""
    names: list[str] = []
    for name, placed in manifest.files.items():
        folder = os.path.dirname(name)  # noqa: PTH120
        holds = {
            manifest.folders.get(who) if kind == "match" else f"{UNKNOWN}/{folder_name(who)}"
            for kind, who in others.get(placed.sha256, ())
        }
        if folder == mine or (placed.sha256 in person.photos and folder not in holds):
            names.append(name)
    return names


def _remove(root: Path, name: str, placed: Placed, done: Away) -> bool:
    file = root / name
    if not os.path.lexists(file):
        remove_empty(file.parent, root)
        return False
    if not is_placed(file, placed):
        done.left.append(Left(str(file), "is not what was put there, and was left: remove it yourself"))
        return False
    if not loses_nothing(root, file, placed):
        why = "is the last copy of a photo, or lies behind a link, and was left: remove it yourself"
        done.left.append(Left(str(file), why))
        return False
    file.unlink()
    remove_empty(file.parent, root)
    return True


# --- sidecars -----------------------------------------------------------------------------------------------------


def _from_sidecar(path: str, person: Person, done: Away, missing: dict[str, int]) -> None:
    file = Path(path)
    if not os.path.lexists(file):
        if not file.parent.is_dir():
            missing[str(file.parent)] = missing.get(str(file.parent), 0) + 1
        return
    if not is_as_noted(str(file)):
        done.left.append(Left(str(file), "stands behind a link that came later, and was left: look at it"))
        return
    try:
        before = read_sidecar(file)
        if before is None or b"urn:knownface:xmp" not in before:
            return
        document = Sidecar(before)
    except XmpError as error:
        raise ResultsError(f"{error}, and was left: take the name out yourself") from error
    document.take_away(person.name, person.faces)
    data = None if document.empty else document.data()
    if data == before:
        return
    if data is None:
        file.unlink()
    else:
        write_bytes(file, data, mode=sidecar_mode(file))
        done.looked.append(file)
    done.sidecars += 1
