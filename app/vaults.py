"""Encrypting the gallery of the settings and its data folder: where the key comes from, and where a new one goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.vault_files import Vaulted, former_files, open_files, seal_files
from pipeline.config import Settings
from pipeline.errors import VaultError, VaultLockedError

if TYPE_CHECKING:
    from pipeline.gallery import Gallery
    from pipeline.gallery.vault.master import MasterKey
    from pipeline.gallery.vault.state import Vault
    from pipeline.gallery.vault.work import Vaulting

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a new key is put.

    Attributes:
        file: A new file; None for none.
        keyring: Into the operating system's keyring.
        show: Called with the new key, before anything is sealed with it.
    """

    file: Path | None = None
    keyring: bool = False
    show: Callable[[MasterKey], None] | None = None


def init(gallery: Gallery, settings: Settings, place: KeyPlace | None, told: Progress | None = None) -> MasterKey:
    """Encrypts a gallery, or goes on where a process was killed.

    Args:
        gallery: The gallery of the settings.
        settings: They say where the key is.
        place: Where a new key is put, before anything is encrypted; None takes the key that is there, and so does a
            gallery that is half encrypted.
        told: Called with (done, total) rows.

    Returns:
        The key.

    Raises:
        VaultLockedError: There is no key, or it is not that of the half encrypted gallery.
        VaultError: It is encrypted already, or the key cannot be put there.
        GalleryBusyError: Another process is at it, or at a file of the data folder; the rest is encrypted.
    """
    work = gallery.vault()
    begun = work.master_id()
    if begun is not None and work.is_on() and waits(gallery, settings):
        key = _there(settings, begun)
    else:
        work.require_plain()
        key = _there(settings, begun) if place is None or begun is not None else _put(settings, place)
        work.init(key, told)
    _seal_files(work, settings, key, told)
    return key


def rotate(gallery: Gallery, settings: Settings, place: KeyPlace | None, told: Progress | None = None) -> MasterKey:
    """Encrypts everything with new keys; where a place is given, under a new key that is put there.

    Where a rotation has left files of the data folder, as they were in use or it was killed, they alone are encrypted.

    Returns:
        The key that opens the gallery from now on. Arguments and errors as `init`.
    """
    work = gallery.vault()
    old = _there(settings, work.require_encrypted())
    if place is None and work.is_on() and waits(gallery, settings):
        _seal_files(work, settings, old, told)
        return old
    new = None if place is None else _put(settings, place)
    work.rotate(old, new, told)
    _seal_files(work, settings, new or old, told)
    return new or old


def waits(gallery: Gallery, settings: Settings) -> bool:
    """Whether a file of the data folder is not encrypted, or not under the gallery's present key."""
    now = vaulted(gallery.vault().now())
    return now is not None and bool(open_files(settings.home, now) or former_files(settings.home, now))


def vaulted(vault: Vault | None) -> Vaulted | None:
    """What files are held against; None where the gallery has no key for files, or none at all."""
    return None if vault is None or vault.files_id is None else Vaulted(vault.vault_id, vault.files_id)


def drop(gallery: Gallery, settings: Settings) -> int:
    """Drops the keys that files were encrypted with before the last rotation; returns how many.

    Raises:
        VaultError: The gallery is not encrypted, or a file of the data folder is still under one of them.
        VaultLockedError: The key is missing.
    """
    work = gallery.vault()
    work.require_encrypted()
    now = vaulted(work.now())
    if now is not None and (left := former_files(settings.home, now)):
        raise VaultError(
            f"still under a former key: {', '.join(left)}: run `knownface vault rotate`, which encrypts them anew"
        )
    return work.drop_former_files_keys()


def _seal_files(work: Vaulting, settings: Settings, key: MasterKey, told: Progress | None) -> None:
    from pipeline.gallery.vault.files import FileKeys
    from pipeline.gallery.vault.master import KeyPlaces

    keys = FileKeys(settings.gallery_location, KeyPlaces(key.text))
    if keys.current() is not None:  # None: it was encrypted by a version that made no key for files; rotate makes it
        now = vaulted(work.now())
        if now is not None:
            seal_files(settings.home, now, keys, told)


def _there(settings: Settings, master_id: str | None) -> MasterKey:
    from pipeline.gallery import KeyPlaces, label_of

    label = label_of(settings.gallery_location)
    found = KeyPlaces.of(settings).find(master_id)
    if found is None:
        raise VaultLockedError(
            f"{label}: there is no key: set KNOWNFACE_VAULT_KEY or vault_key_file, or let one be made with "
            "--key-file FILE, --keyring or --show-key"
        )
    return found


def _put(settings: Settings, place: KeyPlace) -> MasterKey:
    from pipeline.gallery.vault.master import MasterKey, write_file, write_keyring

    key, location = MasterKey.make(), settings.gallery_location
    if place.file is not None:
        write_file(place.file, key, away_from=None if "://" in location else Path(location))
    if place.keyring:
        write_keyring(key)
    if place.show is not None:
        place.show(key)
    return key
