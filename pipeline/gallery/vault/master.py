"""The master key: where it is kept, and that it is never in the gallery's folder."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import VaultError, VaultLockedError
from pipeline.extra import need
from pipeline.gallery import anchor, private
from pipeline.gallery.vault.sealer import KEY_BYTES
from pipeline.gallery.vault.seen import Seen

if TYPE_CHECKING:
    from pipeline.config import Settings

ENVIRONMENT = "KNOWNFACE_VAULT_KEY"
_SERVICE = "knownface vault"


@dataclass(frozen=True)
class MasterKey:
    """A key of 256 bits that wraps the data keys of galleries.

    Attributes:
        value: The 32 bytes.
    """

    value: bytes = field(repr=False)

    @classmethod
    def make(cls) -> MasterKey:
        """A new one, at random."""
        return cls(os.urandom(KEY_BYTES))

    @classmethod
    def read(cls, text: str, where: str) -> MasterKey:
        """Reads base64.

        Raises:
            VaultLockedError: It is no key of 32 bytes in base64.
        """
        try:
            value = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            value = b""
        if len(value) != KEY_BYTES:
            raise VaultLockedError(f"{where}: holds no key (32 bytes in base64): put the gallery's key there")
        return cls(value)

    @property
    def id(self) -> str:
        """What it is called, 16 hex digits; says nothing about the key."""
        return hashlib.sha256(b"knownface master key 1" + self.value).hexdigest()[:16]

    @property
    def text(self) -> str:
        """The key in base64."""
        return base64.b64encode(self.value).decode()


@dataclass(frozen=True)
class KeyPlaces:
    """Where the master key is looked for, in this order.

    Attributes:
        text: The key itself in base64, from the environment; "" for none.
        file: A file that holds it, which only its owner may read; None for none.
        keyring: Ask the operating system's keyring.
        seen: The notes about which galleries are encrypted; None for none.
    """

    text: str = field(default="", repr=False)
    file: Path | None = None
    keyring: bool = False
    seen: Seen | None = None

    @classmethod
    def of(cls, settings: Settings) -> KeyPlaces:
        """Those that the environment and the settings name."""
        file = Path(settings.vault_key_file).expanduser() if settings.vault_key_file else None
        return cls(os.environ.get(ENVIRONMENT, ""), file, settings.vault_keyring, Seen(settings.home / anchor.FOLDER))

    def find(self, master_id: str | None) -> MasterKey | None:
        """The key; None where no place is named that has one.

        Args:
            master_id: Which one is needed, by which the keyring knows it; None where any will do.

        Raises:
            VaultLockedError: A place is named, and what is there is no key, or may not be used.
        """
        if self.text:
            return MasterKey.read(self.text, ENVIRONMENT)
        if self.file is not None:
            return _read_file(self.file)
        return _from_keyring(master_id) if self.keyring and master_id is not None else None

    def need(self, label: str, master_id: str) -> MasterKey:
        """The key of this id.

        Raises:
            VaultLockedError: It is not there, or another.
        """
        found = self.find(master_id)
        if found is None:
            raise VaultLockedError(
                f"{label}: is encrypted and its key {master_id} is missing: set {ENVIRONMENT}, or name its file with "
                "the setting vault_key_file, or set vault_keyring"
            )
        if found.id != master_id:
            raise VaultLockedError(f"{label}: is encrypted with the key {master_id}, not with {found.id}")
        return found


NO_KEY = KeyPlaces()
"""Looks nowhere."""


def _read_file(file: Path) -> MasterKey:
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise VaultLockedError(f"{file}: is no file, so it holds no key of the gallery")
        if private.others_may(file, private.READ):
            raise VaultLockedError(
                f"{file}: others may read the gallery's key: chmod 600 {file}, and see that it is yours"
            )
        with file.open("rb") as stream:
            text = stream.read(1024).decode(errors="replace")
    except OSError as error:
        raise VaultLockedError(f"{file}: the gallery's key cannot be read ({error.strerror})") from error
    return MasterKey.read(text, str(file))


def write_file(file: Path, key: MasterKey, *, away_from: Path | None) -> None:
    """Writes a key into a new file that only its owner may read.

    Raises:
        VaultError: There is such a file, it would stand beside what it opens, or it cannot be written.
    """
    if away_from is not None and file.resolve().is_relative_to(away_from.resolve()):
        raise VaultError(f"{file}: stands in the gallery's folder: keep the key where the gallery is not")
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, private.FILE_MODE)
        with os.fdopen(handle, "w") as out:
            out.write(key.text + "\n")
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError as error:
        raise VaultError(f"{file}: is there already: name a new file for the key") from error
    except FileNotFoundError as error:
        raise VaultError(f"{file}: there is no folder {file.parent}: make it first, for its owner only") from error
    except OSError as error:
        raise VaultError(f"{file}: the key cannot be written ({error.strerror})") from error


def _from_keyring(master_id: str) -> MasterKey | None:
    need("keyring", "keyring")
    import keyring  # noqa: PLC0415
    from keyring.errors import KeyringError  # noqa: PLC0415

    try:
        text = keyring.get_password(_SERVICE, master_id)
    except KeyringError as error:
        raise VaultLockedError(f"the keyring does not give the gallery's key: {error}") from error
    return None if text is None else MasterKey.read(text, "the keyring")


def write_keyring(key: MasterKey) -> None:
    """Puts a key into the operating system's keyring, beside those that are there.

    Raises:
        ExtraMissingError: The package for it is not installed.
        VaultError: The keyring does not take it.
    """
    need("keyring", "keyring")
    import keyring  # noqa: PLC0415
    from keyring.errors import KeyringError  # noqa: PLC0415

    try:
        keyring.set_password(_SERVICE, key.id, key.text)
    except KeyringError as error:
        raise VaultError(f"the keyring does not take the key: {error}") from error
