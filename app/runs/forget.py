"""Erasing: a whole run, or what every run holds of a photo or a person."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock, Timeout

from app.runs import place, schema
from app.runs.records import Run, runs_of
from pipeline.errors import RunBusyError


def forget(home: Path, *, photo_sha256s: Iterable[str] = (), subject: str | None = None) -> int:
    """Erases faces from every run: templates, pictures, names and clusters; what they were is overwritten.

    Files written before (`--out`, `--sort-into`, XMP) are not the ledger's, and stay.

    Args:
        home: The data folder.
        photo_sha256s: Photos whose faces go, whoever they are.
        subject: A person: every face that was named so goes, and every other decision in which the name stands is
            taken back; the next `identify --run` or `runs report` makes it anew.

    Returns:
        How many faces were erased.

    Raises:
        RunDamagedError: A ledger cannot be written.
    """
    photos = json.dumps(sorted(set(photo_sha256s)))
    return sum(_forget(run, photos, subject) for run in runs_of(home))


def _forget(run: Run, photos: str, subject: str | None) -> int:
    with schema.connected(run.file) as connection:
        with schema.transaction(connection):
            erased = connection.execute(
                "delete from faces where sha256 in (select value from json_each(?)) "
                "or id in (select face from decisions where subject = ?)",
                (photos, subject),
            ).rowcount
            named = connection.execute(
                "delete from decisions where ? in (best, runner_up, subject) or instr(reason, ?) > 0",
                (subject, subject),
            ).rowcount
        if erased or named:
            connection.execute("pragma wal_checkpoint(truncate)")
    return erased


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
                with schema.connected(run.file) as connection:
                    with schema.transaction(connection):
                        for table in ("faces", "files", "contents", "meta"):
                            connection.execute(f"delete from {table}")  # noqa: S608 - constants
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
