"""SQLite files beside the gallery whose values about people are sealed where the gallery is encrypted.

What such a file is sealed by stands in its table `meta`, under `vault`: the gallery's vault and the file's own id.
Values are read through SQL functions and written by `Seal.value` and `Seal.key`, so that every query is one text for
both kinds of file, but for the name of a column (`Seal.reads`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.errors import VaultLockedError

if TYPE_CHECKING:
    from pipeline.gallery.vault.files import FileKeys
    from pipeline.gallery.vault.sealer import Sealer

VAULT = "vault"
_LOG_MS = 1000  # to wait for who reads, who may do so for long
Value = TypeVar("Value", bytes, str, bytes | None, str | None)


@dataclass(frozen=True)
class Seal:
    """How the values of one file are written and read.

    Attributes:
        sealer: None where the file is not encrypted.
    """

    sealer: Sealer | None = field(default=None, repr=False)

    @property
    def is_on(self) -> bool:
        """Whether the file is encrypted."""
        return self.sealer is not None

    def reads(self, expression: str, column: str, identity: str = "''") -> str:
        """SQL that reads a value.

        Args:
            expression: SQL: the column.
            column: As the seal knows it.
            identity: SQL: what the value is bound to; nothing for one that `key` made.
        """
        return f"opened({expression}, '{column}', {identity})" if self.is_on else expression

    def writes(self, expression: str, column: str, identity: str) -> str:
        """SQL that seals a value that SQL has made."""
        return f"sealed({expression}, '{column}', {identity})" if self.is_on else expression

    def value(self, plain: Value, column: str, identity: object) -> Value:
        """A value as it is kept."""
        kept: Value = plain if self.sealer is None else _sealed(self.sealer, plain, column, identity)
        return kept

    def key(self, plain: Value, column: str) -> Value:
        """A value that rows are found by, as it is kept: the same is kept alike."""
        kept: Value = plain if self.sealer is None else _same(self.sealer, plain, column)
        return kept


PLAIN = Seal()


@dataclass(frozen=True)
class Mark:
    """What stands in `meta` of an encrypted file.

    Attributes:
        vault_id: Of the gallery's vault.
        file_id: Its own.
        clean: Nothing is left in it of what stood there in the open, or under another key.
        key: Which of the gallery's keys of files it is under; "" for the first of a version that had only one.
    """

    vault_id: str
    file_id: str
    clean: bool = field(compare=False)
    key: str = ""

    @classmethod
    def read(cls, text: str) -> Mark:
        """Reads it.

        Raises:
            sqlite3.DatabaseError: It was altered.
        """
        try:
            found = cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise sqlite3.DatabaseError("what it says of its encryption was altered") from error
        if not all(isinstance(text, str) for text in (found.vault_id, found.file_id, found.key)):
            raise sqlite3.DatabaseError("what it says of its encryption was altered")
        return found

    @property
    def text(self) -> str:
        """As it stands there."""
        return json.dumps(asdict(self))


class Connection(sqlite3.Connection):
    """A connection to such a file.

    Attributes:
        seal: How its values are read and written; looked up anew by every transaction.
        keys: Where the key comes from; None where nobody asks for one.
        file: The file.
        failure: What went wrong inside a function of SQL, which only says that something did.
    """

    seal: Seal = PLAIN
    keys: FileKeys | None = None
    file: Path = Path()
    failure: Exception | None = None
    _known: Mark | None = None

    def look_up(self) -> None:
        """Learns whether the file is encrypted, which `vault init` may have changed since the last look.

        Raises:
            VaultLockedError: It is, and the key is missing.
        """
        if not self.execute("select 1 from sqlite_schema where name = 'meta'").fetchone():
            return
        row = self.execute("select value from meta where key = ?", (VAULT,)).fetchone()
        if row is None:
            self.seal = PLAIN
            return
        marked = Mark.read(row[0])
        if self._known == marked:
            return
        if self.keys is None:
            raise VaultLockedError(f"{self.file}: is encrypted, and its key was not asked for")
        self._use(self.keys.sealer(str(self.file), marked.vault_id, marked.file_id, marked.key), marked)

    def _use(self, sealer: Sealer, known: Mark, opens: Sealer | None = None) -> None:
        """Reads and writes by this sealer from now on; the functions of SQL too, which may open by another one."""
        self.seal, self._known = Seal(sealer), known
        for name, act, by in (("opened", _opened, opens or sealer), ("sealed", _sealed, sealer)):
            self._function(name, 3, lambda *values, act=act, by=by: act(by, *values))
        self._function("sealed_key", 2, lambda *values: _same(sealer, *values))
        self.execute("pragma temp_store = memory")  # what is sorted by what was opened goes to no file

    def _function(self, name: str, count: int, act: Any) -> None:
        def guarded(*values: Any) -> Any:
            try:
                return act(*values)
            except Exception as error:
                self.failure = error
                raise

        self.create_function(name, count, guarded, deterministic=False)

    def is_current(self, keys: FileKeys) -> bool:
        """Whether the file is encrypted under the gallery's present key, or is none of the gallery's to encrypt.

        Raises:
            VaultLockedError, GalleryError: As `FileKeys.current`.
        """
        key, known = keys.current(), self._known
        if key is None:
            return True
        return known is not None and (known.vault_id != key.vault_id or known.key == key.current)

    def encrypt(self, keys: FileKeys, changes: Callable[[Seal], Iterable[str]], *, is_new: bool = False) -> None:
        """Encrypts the file under the gallery's present key, inside a transaction; nothing where it is.

        Args:
            keys: Of the gallery.
            changes: The statements that seal every value anew, by how values are read before.
            is_new: There is nothing in it.

        Raises:
            VaultLockedError, GalleryError: As `FileKeys.current`.
            sqlite3.Error: A value cannot be opened.
        """
        from pipeline.gallery.vault.files import new_file_id

        key, before = keys.current(), self.seal
        if key is None or self.is_current(keys):
            return
        made = Mark(key.vault_id, new_file_id(), is_new, key.current)
        self.execute("insert or replace into meta values (?, ?)", (VAULT, made.text))
        sealer = key.sealer(made.file_id, made.key)
        self._use(sealer, made, before.sealer)
        for change in changes(before):
            self.execute(change)
        self._use(sealer, made)

    def clean(self) -> bool:
        """Writes the file anew, so that nothing stays in it of what stood there in the open, or under another key.

        Returns:
            Whether that is so: others may hold SQLite's log open.
        """
        row = self.execute("select value from meta where key = ?", (VAULT,)).fetchone()
        if row is None or (marked := Mark.read(row[0])).clean:
            return True
        self.execute("vacuum")
        (waits_ms,) = self.execute("pragma busy_timeout").fetchone()
        self.execute(f"pragma busy_timeout = {_LOG_MS}")
        is_held = self.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
        self.execute(f"pragma busy_timeout = {waits_ms}")
        if is_held:
            return False
        self.execute("update meta set value = ? where key = ?", (replace(marked, clean=True).text, VAULT))
        return True


def update(table: str, changes: Mapping[str, str], where: str = "true") -> str:
    """The statement that puts expressions of SQL into columns; of names and expressions that stand in the program."""
    sets = ", ".join(f"{column} = {expression}" for column, expression in changes.items())
    return f"update {table} set {sets} where {where}"  # noqa: S608 - constants


@contextmanager
def connected(file: Path, keys: FileKeys | None, timeout_s: float, *, look: bool = True) -> Iterator[Connection]:
    """A connection in autocommit mode, closed at the end.

    Args:
        file: It need not have its tables yet.
        keys: Where the key comes from.
        timeout_s: How long to wait for another process that writes.
        look: Ask for the key where the file is encrypted; not for what only removes.

    Raises:
        VaultLockedError: The file is encrypted, and the key is missing.
        sqlite3.Error: The file cannot be used; or a value in it cannot be opened.
    """
    connection = sqlite3.connect(file, timeout=timeout_s, isolation_level=None, factory=Connection)
    try:
        connection.file, connection.keys = file, keys
        connection.execute("pragma foreign_keys = on")
        connection.execute("pragma secure_delete = on")
        if look:
            connection.look_up()
        yield connection
    except sqlite3.Error as error:
        if connection.failure is not None:  # SQLite only says that a function raised something
            raise sqlite3.DatabaseError(f"a value in it {connection.failure}") from error
        raise
    finally:
        connection.close()


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Changes that become durable together, or not at all."""
    connection.execute("begin immediate")
    try:
        connection.look_up()
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def _opened(sealer: Sealer, value: Any, column: str, identity: Any) -> Any:
    if value is None:
        return None
    return (sealer.open if isinstance(value, bytes) else sealer.open_text)(value, column, str(identity))


def _sealed(sealer: Sealer, value: Any, column: str, identity: Any) -> Any:
    if value is None:
        return None
    return (sealer.seal if isinstance(value, bytes) else sealer.seal_text)(value, column, str(identity))


def _same(sealer: Sealer, value: Any, column: str) -> Any:
    if value is None:
        return None
    return (sealer.seal_same if isinstance(value, bytes) else sealer.seal_same_text)(value, column)
