"""Writing a run: what its one process puts into the ledger, in transactions of many files.

This is about paths and the run as a whole; what is kept of a content, whatever its paths, is `contents`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from filelock import FileLock, Timeout

from app.runs import place, rows, schema
from app.runs.contents import put_contents
from app.runs.row_types import Content, Kind
from app.runs.schema import path_bytes, path_text
from app.sealed import Connection
from pipeline.errors import RunBusyError
from pipeline.gallery import private

if TYPE_CHECKING:
    from pipeline.gallery.vault.files import FileKeys

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Found:
    """A path that the walk came upon.

    Attributes:
        path: Absolute.
        kind: What it is, by its suffix.
        size, mtime_ns: Of the file; None where it cannot be looked at.
        error, message: Where it cannot even be tried: a folder that cannot be listed.
    """

    path: str
    kind: Kind
    size: int | None = None
    mtime_ns: int | None = None
    error: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one path: its content (which may be another path's as well), or an error of its own."""

    path: str
    sha256: str | None
    error: str | None = None
    message: str | None = None


class Ledger:
    """The ledger of one run, held by this process alone until it is closed.

    Args:
        home: The data folder.
        name: Of the run, which is made if need be.
        keys: Of the gallery; where that is encrypted the ledger is, or is made so now.

    Raises:
        RunNameError: The name cannot be used.
        RunBusyError: Another process works on this run.
        RunDamagedError: The ledger cannot be used.
        VaultLockedError: It is encrypted, and the key is missing.
    """

    def __init__(self, home: Path, name: str, keys: FileKeys | None = None) -> None:
        self.file = place.ledger_file(home, name)
        self._stack = ExitStack()
        private.make_folder(self.file.parent)
        try:
            self._stack.enter_context(FileLock(self.file.with_name(place.LOCK), timeout=1, mode=private.FILE_MODE))
        except Timeout as error:
            raise RunBusyError(
                f"another process works on the run {name}: wait for it, or give this one another --run name"
            ) from error
        try:
            schema.create(self.file, keys)
            self._db: Connection = self._stack.enter_context(schema.connected(self.file, keys))
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def meta(self) -> dict[str, Any]:
        """Everything said about the run as a whole."""
        return rows.meta(self._db)

    def set_meta(self, **values: Any) -> None:
        """Says something about the run as a whole."""
        with schema.transaction(self._db):
            rows.set_meta(self._db, **values)

    def seen(self, found: Sequence[Found], walk: int, *, retry_failed: bool = True) -> None:
        """Notes paths of a walk; those that are new, changed or failed are to be done.

        Args:
            found: The paths.
            walk: Number of the walk, larger than that of the last one.
            retry_failed: Try those that failed again, though they have not changed.
        """
        again = "or files.state = 'failed'" if retry_failed else ""
        with schema.transaction(self._db):
            self._db.executemany(
                f"""insert into files (path, kind, size, mtime_ns, seen, state, error, message)
                values (:path, :kind, :size, :mtime_ns, :walk, :state, :error, :message)
                on conflict (path) do update set seen = :walk, kind = :kind,
                    state = case when :state = 'failed' then 'failed'
                        when size is not :size or mtime_ns is not :mtime_ns {again} then 'pending'
                        else files.state end,
                    size = :size, mtime_ns = :mtime_ns, error = coalesce(:error, files.error),
                    message = coalesce(:message, files.message)""",  # noqa: S608 - constants
                [
                    {
                        "path": (path := self._kept(one.path)),
                        "kind": one.kind,
                        "size": one.size,
                        "mtime_ns": one.mtime_ns,
                        "walk": walk,
                        "state": "pending" if one.error is None else "failed",
                        "error": one.error,
                        "message": self._db.seal.value(one.message, schema.FAILED, _hex(path)),
                    }
                    for one in found
                ],
            )

    def still_there(self, paths: Iterable[str], walk: int) -> None:
        """Notes that a walk came upon paths, whatever they look like by now."""
        with schema.transaction(self._db):
            self._db.executemany("update files set seen = ? where path = ?", [(walk, self._kept(p)) for p in paths])

    def signature(self, path: str) -> tuple[int | None, int | None] | None:
        """Size and date of a path when it was last taken, None for one that is new."""
        query = "select size, mtime_ns from files where path = ?"
        found: tuple[int | None, int | None] | None = self._db.execute(query, (self._kept(path),)).fetchone()
        return found

    def _kept(self, path: str) -> bytes:
        """A path as the ledger has it."""
        return self._db.seal.key(path_bytes(path), schema.PATH)

    def _paths(self) -> str:
        """SQL that reads a path."""
        return self._db.seal.reads("path", schema.PATH)

    @property
    def connection(self) -> Connection:
        """To the ledger, for those who decide."""
        return self._db

    def outside(self, roots: Sequence[str]) -> tuple[int, str]:
        """What is kept of files below other paths than these.

        Args:
            roots: Absolute paths of files and folders.

        Returns:
            How many files these are, and the first of them ("" for none).
        """
        inside, bounds = [], []
        for root in roots:
            start = path_bytes(os.path.join(root, ""))  # noqa: PTH118 - with the slash at its end
            inside.append("path = ? or (path >= ? and path < ?)")
            bounds += [path_bytes(root), start, start[:-1] + bytes([start[-1] + 1])]
        where = " or ".join(inside) or "false"
        paths = f"select {self._paths()} as path from files where sha256 is not null"  # noqa: S608 - constants
        query = f"select count(*), min(path) from ({paths}) where not ({where})"  # noqa: S608 - constants
        count, first = self._db.execute(query, bounds).fetchone()
        return count, path_text(first) if count else ""

    def left_out(self, is_reached: Callable[[str], bool]) -> tuple[int, str]:
        """As `outside`, of the files whose absolute path is not reached any more."""
        query = f"select {self._paths()} from files where sha256 is not null order by 1"  # noqa: S608 - constants
        paths = self._db.execute(query)
        lost = [path for (path,) in paths if not is_reached(path_text(path))]
        return len(lost), path_text(lost[0]) if lost else ""

    def to_do(self, kind: Kind) -> Iterator[str]:
        """Paths of this kind that are to be done, in order: the ledger may be written meanwhile.

        A page at a time; of an encrypted ledger, which cannot be asked for a page, those there are now.
        """
        if self._db.seal.is_on:
            query = f"select {self._paths()} from files where state = 'pending' and kind = ? order by 1"  # noqa: S608
            yield from (path_text(path) for (path,) in self._db.execute(query, (kind,)).fetchall())
            return
        last = b""
        query = "select path from files where state = 'pending' and kind = ? and path > ? order by path limit ?"
        while page := self._db.execute(query, (kind, last, _PAGE)).fetchall():
            yield from (path_text(path) for (path,) in page)
            last = page[-1][0]

    def counts(self) -> dict[str, int]:
        """How many files are in each state."""
        return dict(self._db.execute("select state, count(*) from files group by state").fetchall())

    def knows(self, sha256: str) -> bool:
        """Whether this content was analysed before; one that failed is tried again."""
        query = "select 1 from contents where sha256 = ? and error is null"
        return self._db.execute(query, (sha256,)).fetchone() is not None

    def put(self, contents: Sequence[Content], done: Sequence[Done]) -> None:
        """Keeps contents and what became of paths: all of it becomes durable together."""
        with schema.transaction(self._db):
            put_contents(self._db, contents)
            self._db.executemany(
                """update files set sha256 = :sha256, error = :error, message = :message, state = case
                    when :error is null and not exists
                        (select 1 from contents where sha256 = :sha256 and error is not null)
                    then 'done' else 'failed' end where path = :path""",
                [self._became(one) for one in done],
            )
            if made := sum(content.error is None for content in contents):
                rows.set_meta(self._db, analysed=rows.meta(self._db).get("analysed", 0) + made)

    def _became(self, one: Done) -> dict[str, Any]:
        path = self._kept(one.path)
        message = self._db.seal.value(one.message, schema.FAILED, _hex(path))
        return {"path": path, "sha256": one.sha256, "error": one.error, "message": message}

    def start(self, recipe: Mapping[str, Any], **said: Any) -> bool:
        """Begins, or goes on; what was made by another recipe is forgotten, so that it is made anew.

        Args:
            recipe: Everything but the content that determines a template; of videos alone, what is under `video`.
            said: What is to be said about the run as a whole.

        Returns:
            Whether something was forgotten.
        """
        with schema.transaction(self._db):
            before = rows.meta(self._db).get("recipe")
            other = before is not None and before != dict(recipe)
            if other:
                kinds = ("video",) if photos_alike(before or {}, recipe) else ("video", "photo")
                for kind in kinds:
                    self._db.execute("update files set sha256 = null, state = 'pending' where kind = ?", (kind,))
                    self._db.execute("delete from contents where kind = ?", (kind,))
            rows.set_meta(self._db, recipe=dict(recipe), **said)
        return other

    def unseen(self, walk: int, unlisted: Mapping[str, tuple[str, str]]) -> int:
        """Ends a walk: drops the paths it did not come upon, and returns how many those were.

        What lies in a folder that could not be listed stays, as failed.

        Args:
            walk: Its number.
            unlisted: Such folders, with the error's code and message.
        """
        with schema.transaction(self._db):
            message = self._db.seal.writes("?", schema.FAILED, "hex(path)")
            failed = (
                f"update files set state = 'failed', error = ?, message = {message}, seen = ? "  # noqa: S608 - constants
                f"where seen <> ? and {self._paths()} >= ? and {self._paths()} < ?"
            )
            for folder, error in unlisted.items():
                start = path_bytes(os.path.join(folder, ""))  # noqa: PTH118 - with the slash at its end
                self._db.execute(failed, (*error, walk, walk, start, start[:-1] + bytes([start[-1] + 1])))
            return self._db.execute("delete from files where seen <> ?", (walk,)).rowcount

    def tidy(self) -> None:
        """Erases contents that no path has any more."""
        with schema.transaction(self._db):
            self._db.execute(
                "delete from contents where sha256 not in (select sha256 from files where sha256 is not null)"
            )


def _hex(path: bytes) -> str:
    """What the message of a path is bound to, as SQL's `hex` says it."""
    return path.hex().upper()


def photos_alike(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two recipes make the same of photos."""
    return {**before, "video": None} == {**now, "video": None}
