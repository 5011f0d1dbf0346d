"""What a gallery says about its encryption, to whoever has no key too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.gallery import read_only
from pipeline.gallery.engine import Place, make_engine, reading
from pipeline.gallery.engine_errors import named_errors
from pipeline.gallery.schema import vault as table
from pipeline.gallery.vault import state as states
from pipeline.gallery.vault.parts import waiting
from pipeline.gallery.vault.state import Vault


@dataclass(frozen=True)
class VaultStatus:
    """What a gallery says about its encryption; it takes no key to say so.

    Attributes:
        vault: The row; None where nothing is encrypted.
        waiting: Rows with a value that is not under the current key.
    """

    vault: Vault | None
    waiting: int

    def as_dict(self) -> dict[str, Any]:
        """As it goes into JSON."""
        if self.vault is None:
            return {"state": "off"}
        found = {"state": self.vault.state, "vault_id": self.vault.vault_id, "data_key": self.vault.key_id}
        former = len(self.vault.former_files_ids)
        return found | {
            "master_key": self.vault.master_id,
            "keys": list(self.vault.keys),
            "waiting": self.waiting,
            "former_file_keys": former,
        }


def status_of(location: str) -> VaultStatus:
    """How far the encryption of a gallery is, without its key.

    Raises:
        GalleryError: There is no gallery, or it cannot be read.
    """
    with _looking(location) as (connection, vault):
        if connection is None or vault is None:
            return VaultStatus(None, 0)
        return VaultStatus(vault, waiting(connection, vault.key_id))


def vault_of(location: str) -> Vault | None:
    """The row of a gallery's vault, without opening it; None where there is neither. Errors: as `status_of`."""
    with _looking(location) as (_, vault):
        return vault


@contextmanager
def _looking(location: str) -> Iterator[tuple[Connection | None, Vault | None]]:
    place = Place.of(location)
    file = place.database
    if file is not None and not file.is_file():
        yield None, None
        return
    engine = make_engine(place, read_only=file is not None and read_only.may_not_write(file))
    try:
        with named_errors(place.label), reading(engine) as connection:
            known = sa.inspect(connection).has_table(table.name)
            yield connection, states.read(connection) if known else None
    finally:
        engine.dispose()
