"""Encrypting a gallery where it stands, and changing its key, while others go on reading and writing.

The first transaction puts the new data key into force and seals the names with it; whoever begins a transaction after
that has to have the key, and writes with it. Then every other value that is not under the new key is sealed, a few
hundred rows in a transaction, so a process that is killed loses no more than those, and the next one goes on. At last
what stood in the files before is removed: index files, free pages, SQLite's log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import GalleryBusyError, VaultError
from pipeline.gallery import bound_rights, store, upkeep
from pipeline.gallery.audit import NOBODY, Note, Scribe
from pipeline.gallery.engine_errors import READ_ONLY
from pipeline.gallery.logged import changing
from pipeline.gallery.schema import subjects
from pipeline.gallery.switching import Switching
from pipeline.gallery.truth import Truth
from pipeline.gallery.vault import state as states
from pipeline.gallery.vault.kept import sealer_of
from pipeline.gallery.vault.master import KeyPlaces, MasterKey
from pipeline.gallery.vault.parts import PARTS, Part, resealed, seal_names, waiting
from pipeline.gallery.vault.sealer import Sealer
from pipeline.gallery.vault.state import Vault

AT_ONCE = 512
"""Rows that are sealed in one transaction."""

Progress = Callable[[int, int], None]


class Vaulting:
    """Encrypts a gallery, or changes its key.

    Args:
        truth: The gallery's database.
        scribe: In whose name that is written into the audit log.
    """

    def __init__(self, truth: Truth, scribe: Scribe = NOBODY) -> None:
        self._truth, self._scribe = truth, scribe

    def require_plain(self) -> None:
        """Refuses what is encrypted already, or is being given another key.

        Raises:
            VaultError: It is.
        """
        now = self._now()
        if now is not None and now.state in ("on", "rotating"):
            what = "is encrypted already" if now.state == "on" else "is being given another key"
            raise VaultError(f"{self._truth.place.label}: {what}: see `knownface vault status`")

    def master_id(self) -> str | None:
        """Which key the gallery needs; None where it is not encrypted."""
        now = self._now()
        return None if now is None else now.master_id

    def is_on(self) -> bool:
        """Whether the gallery is encrypted, wholly."""
        now = self._now()
        return now is not None and now.state == "on"

    def vault_id(self) -> str:
        """What its vault is called; "" where it is not encrypted."""
        now = self._now()
        return "" if now is None else now.vault_id

    def now(self) -> Vault | None:
        """The row that says all this; it takes no key."""
        return self._now()

    def drop_former_files_keys(self) -> int:
        """Drops the keys that files beside the gallery were encrypted with before; returns how many.

        Raises:
            VaultError: The gallery is not encrypted.
            VaultLockedError: The key is missing.
        """
        with self._alone(), changing(self._truth, self._scribe) as (connection, log):
            now = states.read(connection)
            if now is None:
                raise _plain_again()
            gone = now.former_files_ids
            if gone:
                states.write(connection, now.without_former_files_keys(self._truth.master_key(now)))
                log.append(Note("vault_drop", "vault", {"keys": len(gone)}))
        return len(gone)

    def require_encrypted(self) -> str:
        """Which key the gallery needs.

        Raises:
            VaultError: None: it is not encrypted, or only half.
        """
        now = self._now()
        if now is None or now.state == "encrypting":
            raise VaultError(f"{self._truth.place.label}: is not encrypted yet: run `knownface vault init`")
        return now.master_id

    def init(self, master: MasterKey, told: Progress | None = None) -> Vault:
        """Encrypts everything, or goes on where a process was killed.

        Args:
            master: The key to wrap the data key with; the gallery's own where it is half encrypted.
            told: Called with (done, total) rows.

        Raises:
            VaultError: It is encrypted already.
            VaultLockedError: It was half encrypted with another key.
            GalleryBusyError: Another process is at it, or holds SQLite's log open so that it cannot be emptied.
        """
        with self._alone():
            now = self._now()
            if now is None:
                self._truth.use_keys(KeyPlaces(master.text))
                self._begin("vault_init", lambda _: states.new_vault(master), master)
            self.require_plain()
            return self._finish(told)

    def rotate(self, master: MasterKey, new: MasterKey | None = None, told: Progress | None = None) -> Vault:
        """Seals everything with a new data key, or goes on where a process was killed.

        Args:
            master: The gallery's key.
            new: The key that wraps from now on; None keeps the old one.
            told: As in `init`.

        Raises:
            VaultError: It is not encrypted.
            VaultLockedError, GalleryBusyError: As `init`.
        """
        with self._alone():
            self.require_encrypted()
            now = self._now()
            if now is None:
                raise _plain_again()
            if now.state == "on" or (new is not None and now.master_id != new.id):
                self._truth.use_keys(KeyPlaces((new or master).text))
                self._begin("vault_rotate", lambda before: _rotated(before, master, new), new or master)
            return self._finish(told)

    def _now(self) -> Vault | None:
        with self._truth.reading() as connection:
            return states.read(connection)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._truth.read_only:
            raise VaultError(f"{self._truth.place.label}: {READ_ONLY}")
        with Switching(self._truth).alone():  # nor does anybody change the model meanwhile
            yield

    def _begin(self, action: str, change: Callable[[Vault | None], Vault], master: MasterKey) -> None:
        """Puts a key into force and seals the names with it, in one transaction."""
        with changing(self._truth, self._scribe) as (connection, log):
            before = states.read(connection)
            after = change(before)
            sealer = after.sealer(master)
            seal_names(connection, sealer)
            states.write(connection, after)
            keys = {"data_key": after.key_id, "master_key": after.master_id}
            if before is not None and before.master_id != after.master_id:
                keys["master_key_before"] = before.master_id
            log.append(Note(action, "vault", keys))

    def _finish(self, told: Progress | None) -> Vault:
        with self._truth.reading() as connection:
            now = states.read(connection)
            total = 0 if now is None else waiting(connection, now.key_id)
        done = 0
        for part in PARTS:
            last = 0
            while (last := self._seal_some(part, last)) is not None:
                done = min(total, done + AT_ONCE)
                if told is not None:
                    told(done, total)
        self._bind_rights()
        self._clean()
        return self._done()

    def _seal_some(self, part: Part, after: int) -> Any:
        """Seals the next rows behind one; returns the last of them, None where there are no more."""
        table = part.table
        with self._truth.writing() as connection:
            sealer = _need(connection)
            query = part.rows().where((table.c.id > after) & part.behind(sealer.key_id)).order_by(table.c.id)
            rows = connection.execute(query.limit(AT_ONCE).with_for_update()).all()
            if not rows:
                return None
            changes = [{"row": row.id, **resealed(sealer, part, row)} for row in rows]
            values: dict[str, Any] = {
                name: sa.bindparam(f"new_{name}", type_=table.c[name].type) for name in part.columns
            }
            change = sa.update(table).where(table.c.id == sa.bindparam("row")).values(values)
            connection.execute(change, changes)
        return rows[-1].id

    def _bind_rights(self) -> None:
        """Seals what subjects agreed to and the holds on them, where a gallery does not say yet that all are sealed.

        Whoever writes meanwhile seals what he changes.
        """
        last = 0
        while True:
            with self._truth.writing() as connection:
                if _need(connection).binds_rights:
                    return
                query = sa.select(subjects.c.id).where(subjects.c.id > last).order_by(subjects.c.id).limit(AT_ONCE)
                keys = connection.execute(query).scalars().all()
                bound_rights.bind(connection, keys)
            if not keys:
                return
            last = keys[-1]

    def _clean(self) -> None:
        """Removes what stood in the files before."""
        label = self._truth.place.label
        with self._truth.writing() as connection:
            now = states.read(connection)
            if now is None or waiting(connection, now.key_id):
                raise GalleryBusyError(f"{label}: rows came that are not under the new key: run the command again")
            if now.state != "cleaning":
                states.write(connection, now.with_current_key_only(self._truth.master_key(now), "cleaning"))
            store.bump(connection, removal=True)  # every index file made before has to go
        upkeep.compact(self._truth)
        if self._truth.erase_due:
            raise GalleryBusyError(
                f"{label}: everything is encrypted, but others hold SQLite's log open, where some of it stands as it "
                "was: run the command again when they are done"
            )

    def _done(self) -> Vault:
        with changing(self._truth, self._scribe) as (connection, log):
            now = states.read(connection)
            if now is None:
                raise _plain_again()
            master = self._truth.master_key(now)
            after = now.with_current_key_only(master, "on").with_rights_bound(master)
            states.write(connection, after)
            log.append(Note("vault_done", "vault", {"data_key": after.key_id, "master_key": after.master_id}))
        return after


def _rotated(before: Vault | None, master: MasterKey, new: MasterKey | None) -> Vault:
    if before is None:
        raise _plain_again()
    after = before.with_new_key(master, "rotating")
    return after if new is None else after.under(master, new)


def _need(connection: Connection) -> Sealer:
    sealer = sealer_of(connection.dialect)
    if sealer is None:
        raise _plain_again()
    return sealer


def _plain_again() -> VaultError:
    return VaultError("a backup that is not encrypted was restored meanwhile: run `knownface vault init`")
