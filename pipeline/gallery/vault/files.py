"""The keys of files beside a gallery that hold something of its people: ledgers of runs, clusters, caches.

Each file has a key of its own, derived (HKDF, RFC 5869) from one that stands in the gallery, wrapped, and from the
file's random id. A rotation makes a new one, and files are sealed anew with it; the former ones stay, to open files
that are not yet: of a data folder on another machine, or of a run that is being written. Somebody says when they go.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import VaultLockedError
from pipeline.gallery.engine import label_of
from pipeline.gallery.vault.master import KeyPlaces
from pipeline.gallery.vault.sealer import KEY_ID_BYTES, Sealer, derived
from pipeline.gallery.vault.status import vault_of

if TYPE_CHECKING:
    from pipeline.config import Settings

_ID_BYTES = 16


@dataclass(frozen=True)
class FilesKey:
    """What the keys of a gallery's files come from.

    Attributes:
        vault_id: Of the gallery's vault.
        current: The id of the one that seals.
        values: 32 bytes by id.
    """

    vault_id: str
    current: str
    values: Mapping[str, bytes] = field(repr=False)

    def sealer(self, file_id: str, files_id: str) -> Sealer:
        """What seals the values of one file, which is under the key of an id."""
        key = derived(self.values[files_id], f"knownface file 1 {file_id}".encode())
        key_id = hashlib.sha256(b"knownface file key 1" + key).hexdigest()[: 2 * KEY_ID_BYTES]
        return Sealer(f"{self.vault_id}/{file_id}", key_id, {key_id: key})


class FileKeys:
    """Asks a gallery for the key of the files beside it, when somebody needs it.

    Args:
        location: Of the gallery, a folder or a URL.
        places: Where its master key is looked for.
    """

    def __init__(self, location: str, places: KeyPlaces) -> None:
        self._location, self._places = location, places
        self._known: FilesKey | None = None

    @classmethod
    def of(cls, settings: Settings) -> FileKeys:
        """Those of the gallery that the settings name."""
        return cls(settings.gallery_location, KeyPlaces.of(settings))

    def current(self) -> FilesKey | None:
        """The key that new files are sealed by; None where the gallery is not encrypted, or there is none.

        Raises:
            VaultLockedError: It is encrypted, and its key is missing or another.
            GalleryError: It cannot be read.
        """
        now = vault_of(self._location)
        if now is None:
            if self._places.seen is not None:
                self._places.seen.require_plain(label_of(self._location))
            return None
        values = now.files_keys(self._places.need(label_of(self._location), now.master_id))
        current = now.files_id
        self._known = None if current is None else FilesKey(now.vault_id, current, values)
        return self._known

    def sealer(self, label: str, vault_id: str, file_id: str, files_id: str) -> Sealer:
        """What opens and seals the values of a file that is there.

        Args:
            label: What messages call it.
            vault_id: Of the vault that it belongs to.
            file_id: Its own.
            files_id: Which of the gallery's keys of files it is under.

        Raises:
            VaultLockedError: The key is missing, was dropped, or the file belongs to another gallery's vault.
            GalleryError: The gallery cannot be read.
        """
        key = self._known
        if key is None or key.vault_id != vault_id or files_id not in key.values:
            key = self.current()
        if key is None or key.vault_id != vault_id:
            raise VaultLockedError(
                f"{label}: is encrypted with the vault {vault_id[:8]}, which {label_of(self._location)} has not: name "
                "the gallery that it was made with (--gallery), or remove it"
            )
        if files_id not in key.values:
            raise VaultLockedError(
                f"{label}: is encrypted with a key that {label_of(self._location)} has no more: it was dropped, or a "
                "backup from before was restored; restore a later backup, or remove the file"
            )
        return key.sealer(file_id, files_id)


def new_file_id() -> str:
    """At random, 32 hex digits."""
    return os.urandom(_ID_BYTES).hex()
