"""The one row of `vault`: which data keys a gallery has, wrapped by the master key, and how far its encryption is."""

from __future__ import annotations

import base64
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import GalleryDamagedError
from pipeline.gallery.schema import vault
from pipeline.gallery.vault.master import MasterKey
from pipeline.gallery.vault.sealer import KEY_BYTES, KEY_ID_BYTES, Sealer

State = Literal["encrypting", "rotating", "cleaning", "on"]
"""`cleaning`: every value is sealed; what stood in the file before has still to go."""

_NONCE = 12
READ = "SELECT vault_id, state, key_id, master_id, wrapped FROM vault"
_FILES, _FORMER, _BOUND = "files", "old:", "rights"
_FILES_ID_BYTES = 8
_STATES = ("encrypting", "rotating", "cleaning", "on")


@dataclass(frozen=True)
class Vault:
    """The row.

    Attributes:
        vault_id: Random; what every value is bound to.
        state: How far the encryption is.
        key_id: The data key that seals.
        master_id: The master key that wraps.
        wrapped: The data keys by id, and those of the files beside the gallery, wrapped, in JSON: `files:ID` seals, an
            `old:ID` only opens. `files` and `old:` are of a version that gave them no id. And `rights`: see
            `binds_rights`.
    """

    vault_id: str
    state: State
    key_id: str
    master_id: str
    wrapped: str

    def sealer(self, master: MasterKey) -> Sealer:
        """The data keys in the open.

        Raises:
            GalleryDamagedError: They were altered.
        """
        wrapped = self._wrapped()
        if self.key_id not in self.keys:
            raise _damaged()
        keys = {key_id: self._unwrap(master, key_id, wrapped[key_id]) for key_id in self.keys}
        return Sealer(
            self.vault_id,
            self.key_id,
            keys,
            accepts_plain=self.state == "encrypting",
            binds_rights=self.binds_rights,
        )

    @property
    def keys(self) -> tuple[str, ...]:
        """The data keys there are, by id."""
        return tuple(key_id for key_id in self._wrapped() if key_id != _BOUND and _files_id(key_id) is None)

    @property
    def files_id(self) -> str | None:
        """The id of the key that files beside the gallery are sealed by; None where there is none yet."""
        found = (_files_id(name) for name in self._wrapped() if name.startswith(_FILES))
        return next(found, None)

    @property
    def former_files_ids(self) -> tuple[str, ...]:
        """The ids of the keys that files beside the gallery were sealed by before."""
        return tuple(name.removeprefix(_FORMER) for name in self._wrapped() if name.startswith(_FORMER))

    @property
    def binds_rights(self) -> bool:
        """Whether every subject has a seal over its consents and its hold."""
        return _BOUND in self._wrapped()

    def files_keys(self, master: MasterKey) -> dict[str, bytes]:
        """What the keys of files beside the gallery come from, by id: the one that seals, and those of before.

        Returns:
            32 bytes each; none where the gallery was encrypted by a version that had none, until it is rotated.

        Raises:
            GalleryDamagedError: They were altered.
        """
        named = ((name, _files_id(name), text) for name, text in self._wrapped().items())
        return {key_id: self._unwrap(master, name, text) for name, key_id, text in named if key_id is not None}

    def with_new_key(self, master: MasterKey, state: State) -> Vault:
        """With one more data key, and one more for files beside the gallery, which seal from now on."""
        made, of_files = os.urandom(KEY_ID_BYTES).hex(), os.urandom(_FILES_ID_BYTES).hex()
        keys = {_as_former(name): key for name, key in self._opened(master).items()}
        keys |= {f"{_FILES}:{of_files}": os.urandom(KEY_BYTES), made: os.urandom(KEY_BYTES)}
        return replace(self, state=state, key_id=made)._with(master, keys)

    def without_former_files_keys(self, master: MasterKey) -> Vault:
        """Without the keys that files beside the gallery were sealed by before: one that still is opens nowhere."""
        return self._with(master, {n: key for n, key in self._opened(master).items() if not n.startswith(_FORMER)})

    def with_files_keys_of(self, other: Vault) -> Vault:
        """A backup's row with the keys of files of the gallery that it replaces, where the same key opens both.

        Files that were sealed since stay readable. Where another key opens them, or they are bound otherwise, it stays
        as it is.
        """
        if (self.vault_id, self.master_id, self._lets_pass) != (other.vault_id, other.master_id, other._lets_pass):
            return self
        mine = {name: text for name, text in self._wrapped().items() if _files_id(name) is None}
        theirs = {name: text for name, text in other._wrapped().items() if _files_id(name) is not None}
        return replace(self, wrapped=json.dumps(mine | theirs))

    def with_rights_bound(self, master: MasterKey) -> Vault:
        """From now on no subject may be without a seal over its consents and its hold."""
        keys = self._opened(master)
        return replace(self, wrapped=json.dumps({_BOUND: ""}))._with(master, keys)

    def with_current_key_only(self, master: MasterKey, state: State) -> Vault:
        """Without the data keys that nothing is sealed with any more."""
        opened = self._opened(master).items()
        kept = {name: key for name, key in opened if name == self.key_id or _files_id(name) is not None}
        return replace(self, state=state)._with(master, kept)

    def under(self, old: MasterKey, new: MasterKey) -> Vault:
        """The same data keys, wrapped by another master key."""
        return replace(self, master_id=new.id)._with(new, self._opened(old))

    def _opened(self, master: MasterKey) -> dict[str, bytes]:
        return {key: self._unwrap(master, key, text) for key, text in self._wrapped().items() if key != _BOUND}

    def _with(self, master: MasterKey, keys: Mapping[str, bytes]) -> Vault:
        wrapped = {key_id: self._wrap(master, key_id, key) for key_id, key in keys.items()}
        return replace(self, wrapped=json.dumps(wrapped | ({_BOUND: ""} if self.binds_rights else {})))

    def _wrapped(self) -> dict[str, str]:
        try:
            found = json.loads(self.wrapped)
        except ValueError as error:
            raise _damaged() from error
        if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
            raise _damaged()
        return cast("dict[str, str]", found)

    def _wrap(self, master: MasterKey, key_id: str, key: bytes) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        nonce = os.urandom(_NONCE)
        return base64.b64encode(nonce + AESGCM(master.value).encrypt(nonce, key, self._bound(key_id))).decode()

    def _unwrap(self, master: MasterKey, key_id: str, text: str) -> bytes:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        try:
            raw = base64.b64decode(text, validate=True)
            return AESGCM(master.value).decrypt(raw[:_NONCE], raw[_NONCE:], self._bound(key_id))
        except (InvalidTag, ValueError) as error:
            raise _damaged() from error

    def _bound(self, key_id: str) -> bytes:
        """What a wrapped key is bound to; also what is let pass, which no one else may say."""
        return f"knownface data key 1\0{self.vault_id}\0{key_id}\0{self._lets_pass}".encode()

    @property
    def _lets_pass(self) -> str:
        """Values in the open while the gallery is encrypted; subjects whose rights have no seal yet; or neither."""
        return "plain" if self.state == "encrypting" else "bound" if self.binds_rights else "sealed"


def _files_id(name: str) -> str | None:
    """The id of a key of files, by its name; None of another key."""
    if name == _FILES:
        return ""
    start, colon, found = name.partition(":")
    return found if colon and f"{start}:" in (f"{_FILES}:", _FORMER) else None


def _as_former(name: str) -> str:
    found = _files_id(name)
    return name if found is None else f"{_FORMER}{found}"


def new_vault(master: MasterKey) -> Vault:
    """A vault of its own with one data key."""
    return Vault(uuid.uuid4().hex, "encrypting", "", master.id, "{}").with_new_key(master, "encrypting")


def read(connection: Connection) -> Vault | None:
    """The row; None where the gallery is not encrypted.

    Raises:
        GalleryDamagedError: It holds what no gallery has written.
    """
    row = connection.exec_driver_sql(READ).fetchone()
    if row is None:
        return None
    if not all(isinstance(value, str) for value in row) or row[1] not in _STATES:
        raise _damaged()
    return Vault(*row)


def write(connection: Connection, state: Vault) -> None:
    """Makes it so."""
    values = {name: getattr(state, name) for name in ("vault_id", "state", "key_id", "master_id", "wrapped")}
    if not connection.execute(sa.update(vault).values(values)).rowcount:
        connection.execute(sa.insert(vault).values(id=1, **values))


def _damaged() -> GalleryDamagedError:
    return GalleryDamagedError(
        "the gallery's encrypted keys were altered: restore a backup with `knownface gallery restore FILE`"
    )
