"""Templates kept between evaluations, by the photo's content and everything that makes the template.

They are personal data: the file is in the user's data folder, readable by its owner only, holds no names (only hashes
of photos), and goes with `knownface evaluate cache --clear`. Where the gallery is encrypted they are sealed
(`app.sealed`); what stood there before is removed. SQLite keeps it whole when a process is killed, or two run at once.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app import sealed
from app.kept import TIMEOUT_S, cache_file
from app.sealed import Connection, Seal, transaction, update
from app.services import Services
from pipeline.errors import ConfigError, NoFaceError, PhotoError
from pipeline.gallery import private
from pipeline.types import F32, UNIT_TOLERANCE
from pipeline.version import __version__
from pipeline.weights import ModelStore

if TYPE_CHECKING:
    from pipeline.gallery.vault.files import FileKeys

_FORMAT = 1
#: Settings that do not change a template. Any other one does, and one that is added later is taken to.
_WITHOUT_EFFECT = {
    "home",
    "gallery",
    "workers",
    "verify_fmr",
    "identify_fpir",
    "keep_crops",
    "max_bytes",
    "subject_score",
    "index",
    "index_url",
    "index_method",
    "vault_key_file",
    "vault_keyring",
}
_ASKED = 500  # SQLite allows a limited number of parameters in a statement
_SCHEMA = """
create table if not exists meta (key text primary key, value text not null) without rowid;
create table if not exists templates (
    recipe text not null, photo text not null, vector blob, primary key (recipe, photo)
) without rowid;
"""
_VECTOR, _IDENTITY = "cache.vector", "recipe || photo"


def recipe_of(services: Services, *, aligned: bool) -> str:
    """A hash of everything but the photo that determines a template: models, settings, version.

    Raises:
        ModelError: A model named in the settings is not installed.
    """
    settings = services.settings
    store = ModelStore(settings.models_dir)
    named = [] if aligned else [name for name in (settings.detector, settings.refiner) if name != "none"]
    recipe = {
        "format": _FORMAT,
        "version": __version__,
        "model_id": services.recognizer.model_id,
        "aligned": aligned,
        "models": [store.installed(name).sha256 for name in named],
        "settings": settings.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
    }
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


class EmbeddingCache:
    """Templates of one recipe.

    Args:
        file: The database; made, with its folder, if need be.
        recipe: What the templates are made by (`recipe_of`).
        dimension: Length of a template.
        keys: Of the gallery, where it may be encrypted.

    Raises:
        ConfigError: The cache cannot be used.
        VaultLockedError: It is, or would be, encrypted, and the key is missing.
    """

    def __init__(self, file: Path, recipe: str, dimension: int, keys: FileKeys | None = None) -> None:
        self._file, self._recipe, self._dimension, self._keys = file, recipe, dimension, keys
        private.make_folder(file.parent)
        private.touch(file)
        if keys is None:
            _create(file)
        else:
            empty_and_seal(file, keys)

    def get(self, photos: Iterable[str]) -> dict[str, F32 | None]:
        """What is known of photos, by their SHA-256: (D,) float32 of unit length, or None where no face was found."""
        wanted, found = list(dict.fromkeys(photos)), dict[str, F32 | None]()
        with self._open() as connection:
            vector_sql = connection.seal.reads("vector", _VECTOR, _IDENTITY)
            for start in range(0, len(wanted), _ASKED):
                part = wanted[start : start + _ASKED]
                marks = ",".join("?" * len(part))
                query = f"select photo, {vector_sql} from templates where recipe = ? and photo in ({marks})"  # noqa: S608 - marks
                for photo, blob in connection.execute(query, (self._recipe, *part)):
                    if blob is None:
                        found[photo] = None
                    elif (vector := self._vector(blob)) is not None:
                        found[photo] = vector
        return found

    def put(self, results: Iterable[tuple[str, F32 | PhotoError]]) -> None:
        """Keeps templates, and that no face was found; other failures are found again as quickly."""
        rows = [
            (photo, None if isinstance(result, NoFaceError) else result.astype("<f4").tobytes())
            for photo, result in results
            if isinstance(result, (np.ndarray, NoFaceError))
        ]
        with self._open() as connection:
            kept = [
                (self._recipe, photo, connection.seal.value(vector, _VECTOR, self._recipe + photo))
                for photo, vector in rows
            ]
            connection.executemany("insert or replace into templates values (?, ?, ?)", kept)

    def _vector(self, blob: Any) -> F32 | None:
        """The template, or None where what is stored cannot be one: then it is made again."""
        if not isinstance(blob, bytes) or len(blob) != 4 * self._dimension:
            return None
        vector = np.frombuffer(blob, "<f4").astype(np.float32)
        return vector if abs(float(np.linalg.norm(vector)) - 1) < UNIT_TOLERANCE else None

    @contextmanager
    def _open(self) -> Iterator[Connection]:
        """A connection whose changes are committed together."""
        with _connected(self._file, self._keys) as connection, transaction(connection):
            yield connection


def _create(file: Path) -> None:
    with _connected(file, None, look=False) as connection:
        connection.executescript(f"begin immediate; {_SCHEMA} commit;")


def empty_and_seal(file: Path, keys: FileKeys) -> bool:
    """Empties a cache that stands in the open beside an encrypted gallery; seals one under a former key anew.

    Returns:
        Whether nothing stands in the open any more.

    Raises:
        ConfigError: The cache cannot be used.
        VaultLockedError: The key is missing.
    """
    _create(file)
    with _connected(file, keys) as connection:
        if not connection.is_current(keys):
            with transaction(connection):
                connection.encrypt(keys, _sealing)
        return connection.clean()


def _sealing(before: Seal) -> Iterator[str]:
    if not before.is_on:
        yield "delete from templates"
    vector = before.reads("vector", _VECTOR, _IDENTITY)
    yield update("templates", {"vector": f"sealed({vector}, '{_VECTOR}', {_IDENTITY})"})


@contextmanager
def _connected(file: Path, keys: FileKeys | None, *, look: bool = True) -> Iterator[Connection]:
    try:
        with sealed.connected(file, keys, TIMEOUT_S, look=look) as connection:
            yield connection
    except sqlite3.Error as error:
        raise ConfigError(
            f"{file}: the cache of templates cannot be used ({error}): "
            "remove it with `knownface evaluate cache --clear`, or go without: --no-cache"
        ) from error


def cache_state(home: Path) -> dict[str, Any]:
    """Where the cache is, how many templates it holds, and its bytes on disk."""
    file = cache_file(home)
    if not file.is_file():
        return {"file": str(file), "templates": 0, "bytes": 0}
    try:
        with closing(sqlite3.connect(file, timeout=TIMEOUT_S)) as connection:
            (count,) = connection.execute("select count(*) from templates").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(f"{file}: cannot be read ({error}): remove it with --clear") from error
    return {"file": str(file), "templates": count, "bytes": file.stat().st_size}


def clear_cache(home: Path) -> None:
    """Removes the cache, and what SQLite may have left beside it."""
    file = cache_file(home)
    for name in (file.name, f"{file.name}-journal", f"{file.name}-wal", f"{file.name}-shm"):
        file.with_name(name).unlink(missing_ok=True)
    with suppress(OSError):  # something else lies there
        file.parent.rmdir()
