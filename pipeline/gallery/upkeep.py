"""Backup, restore, export, compacting and figures."""

from __future__ import annotations

import base64
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import GalleryBusyError, GalleryDamagedError, GalleryError, VaultError
from pipeline.gallery import backup_file, private, server, store, times
from pipeline.gallery.anchor import End
from pipeline.gallery.audit import NOBODY, Scribe
from pipeline.gallery.carried_log import OldLog, carry
from pipeline.gallery.engine import BUSY_TIMEOUT_S, DATABASE, LOCK, Place, make_engine, upgrade, writing
from pipeline.gallery.engine_errors import READ_ONLY, named_errors
from pipeline.gallery.read_only import may_not_write
from pipeline.gallery.schema import REVISIONS, documents, meta, metadata, removed, samples, subjects, templates
from pipeline.gallery.snapshot import SUFFIX, TEMPORARY, sync_folder
from pipeline.gallery.truth import Truth
from pipeline.gallery.vault.kept import opened, vector_identity
from pipeline.gallery.vault.sealer import CROP, VECTOR
from pipeline.gallery.vault.seen import Seen
from pipeline.gallery.vault.state import READ, Vault


def backup(truth: Truth, file: Path) -> None:
    """Writes one consistent state of the gallery to one file, while others go on reading and writing.

    Raises:
        GalleryError: The gallery is on a server, or the file is there already, or has no folder, or cannot be written.
    """
    if truth.folder is None:
        raise GalleryError(
            f"{truth.place.label}: is on a server, which has tools of its own for that: pg_dump --format=custom"
        )
    if "\0" in str(file):
        raise GalleryError("the backup's name holds a NUL character: choose another name")
    if file.exists():
        raise GalleryError(f"{file}: is there already; choose another name for the backup")
    if not file.parent.is_dir():
        raise GalleryError(f"{file}: there is no folder {file.parent}; make it, or choose another place for the backup")
    temporary = file.with_name(f"{file.name}.{os.getpid()}{TEMPORARY}")
    with named_errors(str(file)):
        private.new_file(temporary)  # VACUUM INTO takes an empty one
        try:
            raw = truth.engine.raw_connection()
            try:
                raw.cursor().execute("VACUUM INTO ?", (str(temporary),))
            finally:
                raw.close()
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            temporary.replace(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(file.parent)


def restore(file: Path, location: str | Path, scribe: Scribe = NOBODY, *, in_the_open: bool = False) -> None:
    """Replaces everything in a gallery by a backup, in one transaction; galleries open elsewhere follow.

    The audit log is not turned back: it goes on, with an entry that a backup was restored.

    Raises:
        GalleryError: There is no such file, it is a gallery in use, or the gallery to replace is on a server.
        GalleryDamagedError: The file is no backup of a gallery, or damaged; or what is to be replaced is the database
            of another program.
        GalleryVersionError: The backup, or the gallery to replace, was made by a newer version.
        GalleryBusyError: The gallery is locked by another process.
        LegalHoldError: Somebody in the gallery to replace may not be erased.
        VaultError: The gallery to replace is encrypted and the backup is not, unless `in_the_open`.
    """
    from filelock import Timeout  # noqa: PLC0415

    place = Place.of(location)
    if place.folder is None:
        raise GalleryError(f"{place.label}: is on a server, which has tools of its own for that: pg_restore")
    with named_errors(str(file)):
        seen = backup_file.check(file, place.folder / DATABASE)
    if may_not_write(place.folder / DATABASE):
        raise GalleryError(f"{place.label}: {READ_ONLY}")
    with named_errors(place.label):
        backup_file.check_target(place.folder)
        if not in_the_open:
            _require_as_closed(file, place.folder / DATABASE, scribe, place.label)
    folder = place.folder
    temporary = folder / f"restore.{os.getpid()}{TEMPORARY}"
    try:
        with named_errors(place.label):
            private.make_folder(folder)
            with private.lock(folder / LOCK, BUSY_TIMEOUT_S, beside=folder / DATABASE):
                try:
                    private.new_file(temporary)
                    shutil.copyfile(file, temporary)
                    backup_file.check_unchanged(file, seen)
                    end = _bring_up_to_date(temporary, OldLog(folder / DATABASE), scribe, place.label)
                    _carry_file_keys(folder / DATABASE, temporary)
                    _replace(temporary, folder / DATABASE)
                finally:
                    temporary.unlink(missing_ok=True)
                for index in folder.glob(f"index-*{SUFFIX}"):
                    index.unlink(missing_ok=True)
                if scribe.anchor is not None and end is not None:
                    scribe.anchor.note(place.label, end)
                if scribe.anchor is not None and not _is_encrypted(folder / DATABASE):
                    Seen(scribe.anchor.folder).forget(place.label)
    except Timeout as error:
        raise GalleryBusyError(f"{place.label}: another process is preparing the gallery; try again") from error


def _require_as_closed(file: Path, database: Path, scribe: Scribe, label: str) -> None:
    noted = scribe.anchor is not None and Seen(scribe.anchor.folder).file(label).exists()
    if not _is_encrypted(file, "immutable=1") and (noted or _is_encrypted(database)):
        raise VaultError(
            f"{file}: is not encrypted, and the gallery {label} is: whoever is enrolled then would stand in the open; "
            "nothing was changed. To do it, and encrypt again: `gallery restore --in-the-open`, then `vault init`"
        )


def _is_encrypted(database: Path, how: str = "mode=ro") -> bool:
    if not database.exists():
        return False
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?{how}", uri=True)) as connection:
        try:
            return connection.execute("SELECT 1 FROM vault").fetchone() is not None
        except sqlite3.DatabaseError:  # an older schema, or what is no database any more
            return False


def _bring_up_to_date(file: Path, old: OldLog, scribe: Scribe, label: str) -> End | None:
    """Upgrades the copy of a backup of an older schema, so that who has the gallery open meets only the newest.

    And carries the audit log over; returns the end of that to note.
    """
    place = Place(sa.URL.create("sqlite", database=str(file)), file.parent, str(file))
    engine = make_engine(place)
    try:
        upgrade(place, engine)
        with writing(engine) as connection:
            return carry(connection, old, scribe, label)
    finally:
        engine.dispose()


def _carry_file_keys(database: Path, backup: Path) -> None:
    """Keys of files beside the gallery that were made since the backup go into it, where the same key opens both."""
    if not database.exists():
        return
    try:
        with _connected(database) as connection:
            former = connection.execute(READ).fetchone()
    except sqlite3.DatabaseError:  # no gallery, one of an older version, or damaged: nothing to carry
        return
    with _connected(backup) as connection:
        row = connection.execute(READ).fetchone()
        if row is not None and former is not None and all(isinstance(value, str) for value in (*row, *former)):
            with suppress(GalleryDamagedError):  # what is replaced was altered
                kept = Vault(*row).with_files_keys_of(Vault(*former))
                connection.execute("UPDATE vault SET wrapped = ?", (kept.wrapped,))


def _replace(source_file: Path, database: Path) -> None:
    """Overwrites a database, in one transaction, by a copy of the backup, which gets an identity of its own."""
    with _connected(source_file) as source, _writable(database) as target:
        known = target.execute("SELECT name FROM sqlite_master WHERE name = 'meta'").fetchone()
        rows = target.execute("SELECT generation FROM meta").fetchall() if known else []
        before = [row[0] for row in rows if type(row[0]) is int and row[0] < 1 << 62]  # what is replaced may be damaged
        after = max([*before, source.execute("SELECT generation FROM meta").fetchone()[0]]) + 1
        change = "UPDATE meta SET gallery_id = ?, generation = ?, removal = ?, horizon = ?"
        source.execute(change, (uuid.uuid4().hex, after, after, after))
        source.backup(target)
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _connected(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        yield connection


@contextmanager
def _writable(database: Path) -> Iterator[sqlite3.Connection]:
    """The database in WAL mode; one that is not readable at all makes room for a new one."""
    private.touch(database)
    try:
        with _connected(database) as probe:
            probe.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise
        for suffix in ("", "-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
    private.touch(database)
    with _connected(database) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        yield connection


def export(connection: Connection, name: str) -> dict[str, Any]:
    """Everything that is kept about a subject, as it goes into JSON; binary values in base64.

    Raises:
        SubjectNotFoundError: There is no such subject.
    """
    key = store.subject_id(connection, name)
    created = connection.execute(sa.select(subjects.c.created_us).where(subjects.c.id == key)).scalar_one()
    mine = []
    for row in connection.execute(sa.select(samples).where(samples.c.subject_id == key).order_by(samples.c.id)):
        query = sa.select(templates).where(templates.c.sample_id == row.id).order_by(templates.c.id)
        vectors = []
        for t in connection.execute(query):
            vector = opened(connection, t.vector, VECTOR, vector_identity(row.id, t.model_id, key))
            coded = base64.b64encode(vector).decode()
            vectors.append({"model_id": t.model_id, "norm": t.norm, "vector_f32": coded})
        crop = None if row.crop is None else opened(connection, row.crop, CROP, row.uid)
        mine.append(
            {
                "id": row.uid,
                "source": row.source,
                "photo_sha256": row.photo_sha256,
                "box_xyxy_px": [row.box_x0, row.box_y0, row.box_x1, row.box_y1],
                "landmarks_px": np.frombuffer(row.landmarks, "<f4").reshape(-1, 2).tolist(),
                "image_hw": [row.image_h, row.image_w],
                "confidence": row.confidence,
                "quality": row.quality,
                "created": times.as_time(row.created_us).isoformat(),
                "crop_png": None if crop is None else base64.b64encode(crop).decode(),
                "templates": vectors,
            }
        )
    return {"subject": name, "created": times.as_time(created).isoformat(), "samples": mine}


def compact(truth: Truth) -> None:
    """Forgets tombstones, gives free pages back to the file system and empties the write-ahead log.

    On a server the tables are written anew, so that no page of theirs holds what was removed.
    """
    with truth.writing() as connection:
        generation = store.bump(connection)
        connection.execute(sa.delete(removed))
        connection.execute(sa.update(meta).values(horizon=generation - 1))  # who is up to date needs no rebuild
    if truth.folder is None:
        with named_errors(truth.place.label):
            server.rewrite(truth.engine, [table.name for table in metadata.sorted_tables])
        return
    with named_errors(truth.place.label):
        raw = truth.engine.raw_connection()
        try:
            raw.cursor().execute("VACUUM")
        finally:
            raw.close()
        truth.erase()


def figures(truth: Truth, model_id: str) -> dict[str, Any]:
    """Counts, sizes and generations, as they go into JSON."""
    with truth.reading() as connection:
        now = store.read_meta(connection)
        mine = sa.select(sa.func.count()).select_from(templates).where(templates.c.model_id == model_id)
        result: dict[str, Any] = {
            "location": truth.place.label,
            "schema": REVISIONS[-1],
            "gallery_id": now.gallery_id,
            "generation": now.generation,
            "subjects": store.count(connection, subjects),
            "samples": store.count(connection, samples),
            "templates": store.count(connection, templates),
            "templates_of_model": int(connection.execute(mine).scalar_one()),
            "documents": store.count(connection, documents),
            "tombstones": store.count(connection, removed),
            "erasure_pending": truth.erase_due,
        }
    if truth.folder is not None:
        sizes = {file.name: file.stat().st_size for file in truth.folder.iterdir() if file.is_file()}
        result["database_bytes"] = sizes.get(DATABASE, 0)
        result["log_bytes"] = sizes.get(f"{DATABASE}-wal", 0)
        result["index_bytes"] = sum(size for name, size in sizes.items() if name.endswith(SUFFIX))
    return result
