"""The files of a data folder that an encrypted gallery's vault takes in: ledgers of runs, unknown faces, the cache."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from filelock import FileLock, Timeout

from app.kept import TIMEOUT_S, cache_file
from app.runs import place
from app.runs import schema as runs
from app.sealed import VAULT, Mark
from app.unknowns import schema as unknowns
from pipeline.errors import GalleryBusyError, VaultError
from pipeline.gallery import private

if TYPE_CHECKING:
    from pipeline.gallery.vault.files import FileKeys

Standing = Literal["open", "sealing", "former", "sealed", "another"]
_LOCK_S = 5.0


@dataclass(frozen=True)
class _File:
    """One of them.

    Attributes:
        file: The SQLite file.
        name: What people call it.
        lock: What whoever changes it holds; None where its transactions are enough.
        seal: Encrypts it; returns whether nothing stands in the open any more.
    """

    file: Path
    name: str
    lock: Path | None
    seal: Callable[[Path, FileKeys], bool]


@dataclass(frozen=True)
class Vaulted:
    """The gallery's vault, as much as takes no key.

    Attributes:
        vault_id: What it is called.
        files_id: The id of the key that files are to be under.
    """

    vault_id: str
    files_id: str


def seal_files(home: Path, vault: Vaulted, keys: FileKeys, told: Callable[[int, int], None] | None = None) -> None:
    """Encrypts what is not, or not under the present key: each file in one transaction, so a kill leaves no file half.

    Args:
        home: The data folder.
        vault: The gallery's; a file that belongs to another one is left to that.
        keys: Of the gallery.
        told: Called with (done, total) files.

    Raises:
        GalleryBusyError: Other processes are at some of them; the others are encrypted.
        RunDamagedError, UnknownsDamagedError, ConfigError, VaultError: A file cannot be used.
    """
    waiting, busy = _waiting(home, vault, _WAITING), []
    for done, one in enumerate(waiting, 1):
        if not _seal(one, keys):
            busy.append(one.name)
        if told is not None:
            told(done, len(waiting))
    if busy:
        raise GalleryBusyError(
            f"the gallery is encrypted, but not yet {', '.join(busy)}, where another process is at work: run "
            "`knownface vault init` again when it is done"
        )


def open_files(home: Path, vault: Vaulted) -> list[str]:
    """What of a data folder is not encrypted, or not wholly; it takes no key. Errors: as `standing_of`."""
    return [one.name for one in _waiting(home, vault, ("open", "sealing"))]


def former_files(home: Path, vault: Vaulted) -> list[str]:
    """What of a data folder is encrypted, with a key of before the last rotation. As `open_files`."""
    return [one.name for one in _waiting(home, vault, ("former",))]


def standing_of(file: Path, vault: Vaulted) -> Standing:
    """Whether a file is encrypted, without its key.

    Returns:
        `sealing`: it is, but what stood there before may still be found in it; `former`: under a key of before the last
        rotation; `another`: with another gallery's vault.

    Raises:
        VaultError: The file cannot be read.
    """
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", timeout=TIMEOUT_S, uri=True)) as connection:
            if not connection.execute("select 1 from sqlite_schema where name = 'meta'").fetchone():
                return "open"
            row = connection.execute("select value from meta where key = ?", (VAULT,)).fetchone()
            if row is None:
                return "open"
            marked = Mark.read(row[0])
    except sqlite3.Error as error:
        raise VaultError(f"{file}: cannot be read ({error}): remove it, or free space on the disk") from error
    if marked.vault_id != vault.vault_id:
        return "another"
    if marked.key != vault.files_id:
        return "former"
    return "sealed" if marked.clean else "sealing"


_WAITING: tuple[Standing, ...] = ("open", "sealing", "former")


def _waiting(home: Path, vault: Vaulted, which: tuple[Standing, ...]) -> list[_File]:
    return [one for one in _files(home) if standing_of(one.file, vault) in which]


def _seal(one: _File, keys: FileKeys) -> bool:
    if one.lock is None:
        return one.seal(one.file, keys)
    try:
        with FileLock(one.lock, timeout=_LOCK_S, mode=private.FILE_MODE):
            return one.seal(one.file, keys)
    except Timeout:
        return False


def _files(home: Path) -> Iterator[_File]:
    folder = place.runs_folder(home)
    for run in sorted(folder.iterdir()) if folder.is_dir() else ():
        file = run / place.LEDGER
        if file.is_file() and file.stat().st_size:
            yield _File(file, f"the run {run.name}", run / place.LOCK, runs.seal)
    for file in sorted(unknowns.folder(home).glob("*.sqlite3")):
        yield _File(file, "the unknown faces", file.with_suffix(".lock"), unknowns.seal)
    if (cache := cache_file(home)).is_file():
        yield _File(cache, "the cache of evaluations", None, _seal_cache)


def _seal_cache(file: Path, keys: FileKeys) -> bool:
    from app.evaluation.cache import empty_and_seal

    return empty_and_seal(file, keys)
