"""Where evaluations keep templates, and how they go when a subject is erased. It imports little: `remove` is quick."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from pipeline.errors import ConfigError

#: Seconds to wait for another process that writes.
TIMEOUT_S = 60.0


def cache_file(home: Path) -> Path:
    """The cache in a data folder."""
    return home / "cache" / "evaluation.sqlite3"


def forget_photos(home: Path, photos: Iterable[str]) -> int:
    """Removes whatever is kept of these photos; their bytes are overwritten.

    Args:
        home: The data folder.
        photos: SHA-256 of each photo's bytes.

    Returns:
        How many templates there were.

    Raises:
        ConfigError: The cache cannot be read or written; the message says how to remove it whole.
    """
    file = cache_file(home)
    if not file.is_file():
        return 0
    try:
        with closing(sqlite3.connect(file, timeout=TIMEOUT_S)) as connection, connection:
            connection.execute("pragma secure_delete = on")
            rows = [(photo,) for photo in set(photos)]
            return connection.executemany("delete from templates where photo = ?", rows).rowcount
    except sqlite3.Error as error:
        raise ConfigError(
            f"{file}: the templates kept there cannot be removed ({error}): run `knownface evaluate cache --clear`"
        ) from error
