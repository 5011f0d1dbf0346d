"""Erasing: a whole run, or what every run holds of a photo or a person."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from app.runs import place, places, rows, schema
from app.runs.records import Run, face_id, runs_of
from app.sealed import Connection
from pipeline.errors import RunBusyError

if TYPE_CHECKING:
    from pipeline.gallery.vault.files import FileKeys


@dataclass(slots=True)
class Forgotten:
    """What `forget` has done.

    Attributes:
        faces: How many faces were erased.
        photos: SHA-256 of the photos they were in.
        runs: The runs that are others now: written results of them still show what was erased.
    """

    faces: int = 0
    photos: set[str] = field(default_factory=set)
    runs: list[Run] = field(default_factory=list)


def forget(
    home: Path,
    *,
    photo_sha256s: Iterable[str] = (),
    subject: str | None = None,
    faces: Iterable[str] = (),
    keep: bool = False,
    keys: FileKeys | None = None,
) -> Forgotten:
    """Erases faces from every run: templates, pictures, names and clusters; what they were is overwritten.

    Files written before are not the ledger's: `about` says whom to take out of folders and sidecars before, with
    `output.away`; results are noted as owed, for `output.again.write_anew`.

    Args:
        home: The data folder.
        photo_sha256s: Photos whose faces go, whoever they are.
        subject: A person: every face that was named so goes, and every other decision in which the name stands is
            taken back; the next `identify --run` or `runs report` makes it anew.
        faces: Faces by their `face_id`, whoever they are.
        keep: Faces that were named so stay, and only decisions are taken back.
        keys: Of the gallery, where ledgers may be encrypted.

    Raises:
        RunDamagedError: A ledger cannot be written.
    """
    photos = json.dumps(sorted(set(photo_sha256s)))
    names = sorted(set(faces))
    done = Forgotten()
    for run in runs_of(home, keys):
        _forget(done, run, photos, names, subject, keep=keep)
    return done


def about(
    run: Run, *, photo_sha256s: Iterable[str] = (), subject: str | None = None, faces: Iterable[str] = ()
) -> tuple[frozenset[str], frozenset[str]]:
    """The faces that `forget` would erase from a run, and the photos they are in.

    Returns:
        `face_id` of each, and SHA-256 of the photos.

    Raises:
        RunDamagedError: The ledger cannot be read.
    """
    with run.snapshot() as connection:
        name = connection.seal.key(subject, schema.SUBJECT)
        chosen = json.dumps([rows.id_of(connection, face) for face in sorted(set(faces))])
        which = {"photos": json.dumps(sorted(set(photo_sha256s))), "subject": name, "faces": chosen}
        query = f"select sha256, number, start_s is not null from faces where {_GONE}"  # noqa: S608 - constants
        found = connection.execute(query, which).fetchall()
    ids = frozenset(face_id(sha256, number, video=bool(video)) for sha256, number, video in found)
    return ids, frozenset(sha256 for sha256, _, _ in found)


def held_of(
    home: Path, *, photo_sha256s: Iterable[str] = (), subject: str | None = None, keys: FileKeys | None = None
) -> int:
    """How many faces `forget` would erase, by what was decided so far.

    Raises:
        RunDamagedError: A ledger cannot be read.
    """
    photos, count = json.dumps(sorted(set(photo_sha256s))), 0
    for run in runs_of(home, keys):
        with run.snapshot() as connection:
            (held,) = connection.execute(
                "select count(*) from faces where sha256 in (select value from json_each(?)) "
                "or id in (select face from decisions where subject = ?)",
                (photos, connection.seal.key(subject, schema.SUBJECT)),
            ).fetchone()
            count += held
    return count


_GONE = (
    "sha256 in (select value from json_each(:photos)) or id in (select face from decisions where subject = :subject) "
    "or id in (select value from json_each(:faces))"
)


def _forget(done: Forgotten, run: Run, photos: str, faces: Sequence[str], subject: str | None, *, keep: bool) -> None:
    with run.connected() as connection:
        with schema.transaction(connection):
            name = connection.seal.key(subject, schema.SUBJECT)
            reason = connection.seal.reads("reason", schema.REASON, "face")
            chosen = json.dumps([rows.id_of(connection, face) for face in faces])
            which = {"photos": photos, "subject": None if keep else name, "faces": chosen}
            shown = connection.execute(f"select distinct sha256 from faces where {_GONE}", which)  # noqa: S608
            done.photos.update(sha256 for (sha256,) in shown)
            _drop_brought(run, connection, which)
            erased = connection.execute(f"delete from faces where {_GONE}", which).rowcount  # noqa: S608
            taken_back = connection.execute(
                f"delete from decisions where ? in (best, runner_up, subject) or instr({reason}, ?) > 0",  # noqa: S608
                (name, subject),
            ).rowcount
            if erased or taken_back:
                places.owe(connection)
        if erased or taken_back:
            connection.execute("pragma wal_checkpoint(truncate)")
            done.faces += erased
            done.runs.append(run)


def _drop_brought(run: Run, connection: Connection, which: Mapping[str, object]) -> None:
    """Removes the photos of these faces that were brought along and kept with the run: they are copies."""
    kept = run.folder / place.JOB / place.BROUGHT
    if kept.is_dir():
        path = connection.seal.reads("path", schema.PATH)
        query = f"select {path} from files where sha256 in (select sha256 from faces where {_GONE})"  # noqa: S608
        for (path,) in connection.execute(query, which).fetchall():
            photo = Path(schema.path_text(path))
            if photo.is_relative_to(kept.absolute()):
                photo.unlink(missing_ok=True)


def rename(home: Path, old: str, new: str, keys: FileKeys | None = None) -> None:
    """Puts another name in place of a person's in the decisions of every run, until they are made anew.

    Raises:
        RunDamagedError: A ledger cannot be written.
    """
    for run in runs_of(home, keys):
        with run.connected() as connection, schema.transaction(connection):
            seal = connection.seal
            reason = f"replace({seal.reads('reason', schema.REASON, 'face')}, ?, ?)"
            before, after = seal.key(old, schema.SUBJECT), seal.key(new, schema.SUBJECT)
            connection.execute(
                f"update decisions set reason = {seal.writes(reason, schema.REASON, 'face')} "  # noqa: S608 - constants
                "where ? in (subject, best, runner_up)",
                (old, new, before),
            )
            for column in ("subject", "best", "runner_up"):
                connection.execute(f"update decisions set {column} = ? where {column} = ?", (after, before))  # noqa: S608


def named_in(run: Run, subjects: Sequence[str]) -> str | None:
    """One of these people who was recognised in a run; None where none was.

    Raises:
        RunDamagedError: The ledger cannot be read.
        VaultLockedError: It is encrypted, and the key is missing.
    """
    if not subjects:
        return None
    with run.snapshot() as connection:
        for subject in subjects:
            name = connection.seal.key(subject, schema.SUBJECT)
            if connection.execute("select 1 from decisions where subject = ? limit 1", (name,)).fetchone():
                return subject
    return None


def remove_run(run: Run) -> None:
    """Erases a run: its ledger is overwritten, then its folder goes.

    Raises:
        RunBusyError: A process works on it.
        RunDamagedError: The ledger cannot be overwritten; its files are removed all the same.
    """
    lock = FileLock(run.folder / place.LOCK, timeout=1, mode=0o600)
    try:
        with lock:
            try:
                with schema.connected(run.file, look=False) as connection:  # takes no key
                    connection.execute("begin immediate")
                    connection.execute(schema.PLACES)
                    for table in ("faces", "files", "contents", "meta", "places"):
                        connection.execute(f"delete from {table}")  # noqa: S608 - constants
                    connection.execute("commit")
                    connection.execute("pragma wal_checkpoint(truncate)")
            finally:
                for file in (run.file, *(run.file.with_name(f"{run.file.name}{end}") for end in ("-wal", "-shm"))):
                    file.unlink(missing_ok=True)
    except Timeout as error:
        raise RunBusyError(f"another process works on the run {run.name}: stop it first") from error
    (run.folder / place.LOCK).unlink(missing_ok=True)
    shutil.rmtree(run.folder / place.JOB, ignore_errors=True)
    if not any(run.folder.iterdir()):
        run.folder.rmdir()
