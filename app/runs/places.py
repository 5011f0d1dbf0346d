"""Where a run has put something: folders of results, folders that were sorted into, sidecars. Its ledger keeps that.

A name, a picture, a photo under somebody's name lies there, outside of the data folder: an erasure goes after them.
Each place is kept as it really is, with no link on the way: a link that stands there later is not followed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.runs import rows, schema
from app.runs.records import Run
from app.sealed import Connection

Kind = Literal["results", "sorted", "sidecar"]


@dataclass(frozen=True, slots=True)
class Place:
    """One of them.

    Attributes:
        path: Absolute, without links.
        said: What else is known of it, of its kind.
    """

    path: str
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Left:
    """What an erasure did not reach.

    Attributes:
        path: Of a file or folder.
        why: And what to do, as the end of `<path>: `.
    """

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


def real(path: str | Path) -> str:
    """A path without links on the way to it; what stands there may be one."""
    folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100
    return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118


def is_as_noted(path: str) -> bool:
    """Whether no link stands in place of what was noted, or on the way there."""
    return os.path.realpath(path) == path


def note(run: Run, kind: Kind, places: Mapping[str, Mapping[str, Any]]) -> None:
    """Notes places, in place of what was said of them before.

    Raises:
        RunDamagedError: The ledger cannot be written.
    """
    with run.connected() as connection, schema.transaction(connection):
        connection.execute(schema.PLACES)
        seal = connection.seal
        for path, said in places.items():
            key = seal.key(schema.path_bytes(path), schema.PLACE)
            value = seal.value(json.dumps(said), schema.PUT, key.hex().upper())
            connection.execute("insert or replace into places values (?, ?, ?)", (kind, key, value))


def places_of(run: Run, kind: Kind) -> list[Place]:
    """What was noted of a kind, in the order of paths.

    Raises:
        RunDamagedError: The ledger cannot be read.
    """
    with run.snapshot() as connection:
        if not connection.execute("select 1 from sqlite_schema where name = 'places'").fetchone():
            return []
        path = connection.seal.reads("path", schema.PLACE)
        said = connection.seal.reads("said", schema.PUT, "hex(path)")
        found = connection.execute(f"select {path}, {said} from places where kind = ? order by 1", (kind,))  # noqa: S608
        return [Place(schema.path_text(where), json.loads(text)) for where, text in found]


def owe(connection: Connection) -> None:
    """Says, inside a transaction, that what was written last still shows somebody who is erased from the ledger."""
    rows.set_meta(connection, owed=True)


def is_owed(run: Run) -> bool:
    """Whether its results are to be written anew, because somebody was erased."""
    return bool(run.meta().get("owed"))


def settle(run: Run) -> None:
    """They were."""
    with run.connected() as connection, schema.transaction(connection):
        rows.set_meta(connection, owed=False)
