"""The clusters of unknown faces over all runs: stable numbers, and what people have said about them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from app.sealed import Connection
from app.unknowns import schema
from app.unknowns.identity import Identities, identify, label, number_of
from pipeline.errors import UnknownClusterError, UnknownsBusyError
from pipeline.gallery import private

if TYPE_CHECKING:
    from pipeline.gallery.vault.files import FileKeys


@dataclass(frozen=True, slots=True)
class Constraints:
    """What clustering has to respect: groups of faces that are one person, and pairs that are not."""

    together: list[list[str]]
    apart: list[tuple[str, str]]


class Registry:
    """The clusters of one gallery and model.

    Args:
        home: The data folder.
        gallery: The gallery's label.
        model_id: The model whose templates are clustered.
        keys: Of the gallery, where it may be encrypted.

    Raises:
        UnknownsDamagedError: The file cannot be used.
        VaultLockedError: It is encrypted, and the key is missing.
    """

    def __init__(self, home: Path, gallery: str, model_id: str, keys: FileKeys | None = None) -> None:
        self.home, self.file, self.keys = home, schema.file_of(home, gallery, model_id), keys
        schema.create(self.file, gallery, model_id, keys)

    def _connected(self) -> AbstractContextManager[Connection]:
        return schema.connected(self.file, self.keys)

    @contextmanager
    def held(self, timeout_s: float = 600.0) -> Iterator[None]:
        """Only one process clusters at a time; the others wait.

        Raises:
            UnknownsBusyError: Another one did not finish.
        """
        file = self.file.with_suffix(".lock")
        try:
            with FileLock(file, timeout=timeout_s, mode=private.FILE_MODE):
                yield
        except Timeout as error:
            raise UnknownsBusyError(f"{file}: another process has been clustering all this time: try again") from error

    # --- asking -----------------------------------------------------------------------------------------------

    def runs(self) -> list[str]:
        """Names of the runs whose unknown faces are clustered."""
        with self._connected() as connection:
            return [name for (name,) in connection.execute("select name from runs order by name")]

    def clusters(self) -> dict[int, list[str]]:
        """The faces that are unknown now, by the number of their cluster; both in order."""
        with self._connected() as connection:
            found: dict[int, list[str]] = {}
            for number, face in connection.execute("select number, face from faces where here order by number, face"):
                found.setdefault(number, []).append(face)
            return found

    def subjects(self) -> dict[int, str]:
        """The clusters that were given a name."""
        with self._connected() as connection:
            subject = connection.seal.reads("subject", schema.SUBJECT)
            query = f"select number, {subject} from clusters where subject is not null"  # noqa: S608 - constants
            return dict(connection.execute(query))

    def holds(self, number: int) -> bool:
        """Whether a run holds a face of this cluster, unknown or known by now."""
        with self._connected() as connection:
            return bool(_faces(connection, number))

    def resolve(self, text: str) -> int:
        """The number of the cluster that a label means, an alias included.

        Raises:
            UnknownClusterError: It is no label, or was never given.
        """
        with self._connected() as connection:
            return _resolved(connection, number_of(text))

    def aliases(self, number: int) -> list[int]:
        """Numbers that are aliases of this one."""
        with self._connected() as connection:
            found = connection.execute("select number from clusters where alias is not null order by number")
            return [one for (one,) in found.fetchall() if _resolved(connection, one) == number]

    def constraints(self, ids: Collection[str]) -> Constraints:
        """What people have said about these faces, which are to be clustered."""
        here = set(ids)
        with self._connected() as connection:
            groups: dict[int, list[str]] = {}
            for person, face in connection.execute("select person, face from pins order by person, face"):
                if face in here:
                    groups.setdefault(person, []).append(face)
            apart = [
                (groups[person][0], face)
                for person, face in connection.execute("select person, face from apart order by person, face")
                if face in here and person in groups
            ]
            return Constraints(list(groups.values()), apart + _named_apart(connection, here))

    # --- changing ---------------------------------------------------------------------------------------------

    def add_run(self, name: str) -> None:
        """From now on this run's unknown faces are clustered too."""
        with self._connected() as connection:
            connection.execute("insert or ignore into runs values (?)", (name,))

    def keep_only(self, runs: Collection[str], faces: Collection[str], subjects: Collection[str]) -> None:
        """Forgets runs that are gone, faces that no run holds any more, and names nobody in the gallery has."""
        with self._connected() as connection, schema.transaction(connection):
            for table, column, kept in (("runs", "name", runs), ("faces", "face", faces)):
                text = json.dumps(list(kept))
                connection.execute(
                    f"delete from {table} where {column} not in (select value from json_each(?))",  # noqa: S608
                    (text,),
                )
            for table in ("pins", "apart"):
                connection.execute(f"delete from {table} where face not in (select face from faces)")  # noqa: S608
            connection.execute(
                "update clusters set subject = null where subject not in (select value from json_each(?))",
                (json.dumps([connection.seal.key(name, schema.SUBJECT) for name in subjects]),),
            )

    def update(self, blocks: Sequence[Sequence[str]]) -> dict[str, int]:
        """Takes over a clustering of the faces that are unknown now; returns the number of each face."""
        with self._connected() as connection, schema.transaction(connection):
            before = dict(connection.execute("select face, number from faces"))
            (last,) = connection.execute("select coalesce(max(number), 0) from clusters").fetchone()
            found = identify(blocks, before, last + 1)
            _write(connection, found)
        return found.numbers

    def merge(self, one: int, other: int) -> int:
        """Says that two clusters are one person; returns the number that stays, the older one.

        Raises:
            UnknownClusterError: They are the same, or carry two different names.
        """
        older, younger = min(one, other), max(one, other)
        if older == younger:
            raise UnknownClusterError(f"{label(one)} is one unknown person already: name two that differ")
        with self._connected() as connection, schema.transaction(connection):
            query = "select distinct subject from clusters where number in (?, ?) and subject is not null"
            subjects = [subject for (subject,) in connection.execute(query, (one, other))]
            if len(subjects) > 1:
                raise UnknownClusterError(
                    f"{label(older)} and {label(younger)} were given different names: if they are one person, "
                    "`knownface gallery merge` the two subjects first"
                )
            _pin(connection, _faces(connection, older) + _faces(connection, younger))
            connection.execute("update faces set number = ? where number = ?", (older, younger))
            subject = subjects[0] if subjects else None
            connection.execute("update clusters set alias = ?, subject = null where number = ?", (older, younger))
            connection.execute("update clusters set subject = ? where number = ?", (subject, older))
        return older

    def split(self, number: int, faces: Sequence[str]) -> int:
        """Says that these faces are one other person than the rest of the cluster; returns their new number.

        Raises:
            UnknownClusterError: A face is not in the cluster, or none would be left.
        """
        chosen = sorted(set(faces))
        with self._connected() as connection, schema.transaction(connection):
            members = _faces(connection, number)
            here = [face for (face,) in connection.execute("select face from faces where number=? and here", (number,))]
            if strangers := [face for face in chosen if face not in members]:
                raise UnknownClusterError(
                    f"{strangers[0]} is no face of {label(number)}: `knownface unknown show {label(number)}` lists them"
                )
            if not set(here) - set(chosen):
                raise UnknownClusterError(f"no face of {label(number)} would be left: name fewer faces")
            new = int(connection.execute("insert into clusters default values").lastrowid or 0)
            connection.executemany("update faces set number = ? where face = ?", [(new, face) for face in chosen])
            connection.executemany("delete from pins where face = ?", [(face,) for face in chosen])
            person = _pin(connection, chosen)
            rest = sorted(set(members) - set(chosen))
            connection.executemany("insert or ignore into apart values (?, ?)", [(person, face) for face in rest])
        return new

    def name(self, number: int, subject: str) -> None:
        """Says that a cluster is this subject: its faces are one person from now on."""
        with self._connected() as connection, schema.transaction(connection):
            _pin(connection, _faces(connection, number))
            kept = connection.seal.key(subject, schema.SUBJECT)
            connection.execute("update clusters set subject = ? where number = ?", (kept, number))


def erase(file: Path, contents: Iterable[str], subject: str | None, keys: FileKeys | None = None) -> set[str]:
    """Erases faces of these photos (SHA-256) and of the clusters of a subject; returns the faces that were erased."""
    starts = {sha256[:16] for sha256 in contents}
    with schema.connected(file, keys) as connection, schema.transaction(connection):
        subject = connection.seal.key(subject, schema.SUBJECT)
        rows = connection.execute(
            "select face, subject is not null and subject = ? from faces join clusters using (number)", (subject,)
        )
        gone = {face for face, named in rows if named or face.rpartition("-")[0] in starts}
        for table in ("faces", "pins", "apart"):
            connection.executemany(f"delete from {table} where face = ?", [(face,) for face in gone])  # noqa: S608
        connection.execute("update clusters set subject = null where subject = ?", (subject,))
    return gone


def _faces(connection: Connection, number: int) -> list[str]:
    """Every face of a cluster, those that are known by now included."""
    return [face for (face,) in connection.execute("select face from faces where number = ? order by face", (number,))]


def _resolved(connection: Connection, number: int) -> int:
    while True:
        row = connection.execute("select alias from clusters where number = ?", (number,)).fetchone()
        if row is None:
            raise UnknownClusterError(
                f"there is no unknown person {label(number)}: `knownface unknown list` lists them"
            )
        if row[0] is None:
            return number
        number = int(row[0])


def _pin(connection: Connection, faces: Sequence[str]) -> int:
    """Makes one group of these faces and of all the groups they were in; returns its number.

    What was said to the contrary before is forgotten.
    """
    text = json.dumps(list(faces))
    of_these = "(select value from json_each(?))"
    query = f"select distinct person from pins where face in {of_these}"  # noqa: S608
    groups = [person for (person,) in connection.execute(query, (text,))]
    (last,) = connection.execute(
        "select max(coalesce((select max(person) from pins), 0), coalesce((select max(person) from apart), 0))"
    ).fetchone()
    person = int(last) + 1
    for group in groups:
        connection.execute("update pins set person = ? where person = ?", (person, group))
        connection.execute("update or replace apart set person = ? where person = ?", (person, group))
    connection.executemany("insert or replace into pins values (?, ?)", [(face, person) for face in faces])
    inside = "select face from pins where person = ?"
    connection.execute(f"delete from apart where person = ? and face in ({inside})", (person, person))  # noqa: S608
    return person


def _named_apart(connection: Connection, here: set[str]) -> list[tuple[str, str]]:
    """A face of each named cluster with one of each that has another name (each cluster's faces are pinned)."""
    first: dict[int, tuple[str, str]] = {}
    query = """select number, face, subject from faces join clusters using (number)
        where subject is not null order by number, face"""
    for number, face, subject in connection.execute(query):
        if face in here:
            first.setdefault(number, (face, subject))
    return [(a, b) for (a, one), (b, other) in combinations(first.values(), 2) if one != other]


def _write(connection: Connection, found: Identities) -> None:
    numbers: Mapping[str, int] = found.numbers
    connection.executemany(
        "insert or ignore into clusters (number) values (?)", [(number,) for number in sorted(set(numbers.values()))]
    )
    for number, older in found.aliases.items():
        connection.execute("update faces set number = ? where number = ?", (older, number))
        connection.execute(
            "update clusters set subject = coalesce(subject, (select subject from clusters where number = ?)) "
            "where number = ?",
            (number, older),
        )
        connection.execute("update clusters set alias = ?, subject = null where number = ?", (older, number))
    connection.execute("update faces set here = 0")
    connection.executemany("insert or replace into faces values (?, ?, 1)", list(numbers.items()))
