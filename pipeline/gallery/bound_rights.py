"""In an encrypted gallery: what somebody agreed to, and the legal hold on them, are bound to the gallery's key.

Who may write the database but has no key could else prolong a consent, take out that it was withdrawn, or lift a hold.
A subject's row holds a seal over all consents and the hold of that subject, bound to the row as the name is: whatever
is changed, added, moved or removed outside of Knownface makes it wrong, and nobody relies on what stands there. An
older copy of all of it, with the seal of then, is not found here; the audit log tells.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from pipeline.errors import GalleryDamagedError
from pipeline.gallery import names
from pipeline.gallery.schema import consent, holds, subjects
from pipeline.gallery.vault.kept import name_identity, sealer_of
from pipeline.gallery.vault.sealer import RIGHTS, Sealer, SealError

AT_ONCE = 512
"""Subjects whose rows are read together."""
_SET = sa.update(subjects).where(subjects.c.id == sa.bindparam("row")).values(rights=sa.bindparam("sealed"))
_NOTHING: tuple[list[Any], list[Any]] = ([], [])


def bind(connection: Connection, keys: Iterable[int]) -> None:
    """Seals what stands there for these subjects, in the transaction that has changed it. Nothing in the open."""
    sealer = sealer_of(connection.dialect)
    if sealer is None:
        return
    for chunk in _chunks(keys):
        stand = _stand(connection, chunk)
        query = sa.select(subjects.c.id, subjects.c.uid).where(subjects.c.id.in_(chunk))
        values = [
            {"row": key, "sealed": sealer.seal_text(_digest(stand.get(key, _NOTHING)), RIGHTS, name_identity(uid, key))}
            for key, uid in connection.execute(query).all()
        ]
        if values:
            connection.execute(_SET, values)


def of_nobody(sealer: Sealer, uid: str, key: int) -> str:
    """The seal of a subject that was just made, with neither a consent nor a hold."""
    return sealer.seal_text(_digest(_NOTHING), RIGHTS, name_identity(uid, key))


def require(connection: Connection, keys: Iterable[int] | None = None) -> None:
    """Refuses to rely on consents and holds that were changed without the key.

    Args:
        connection: In a transaction.
        keys: Rows of the subjects concerned; None for all.

    Raises:
        GalleryDamagedError: They were, of one of these.
    """
    for name in forged(connection, keys):
        raise GalleryDamagedError(
            f"the consents and the legal hold of {names.shown(name)} were changed by somebody who had no key: restore "
            "a backup with `knownface gallery restore FILE`, or look at them and take them as they stand with "
            f"`knownface subject accept {names.shown(name)}`"
        )


def forged(connection: Connection, keys: Iterable[int] | None = None) -> Iterator[str]:
    """The names of those of whom that is so; nobody where the gallery is in the open, or does not bind them yet."""
    sealer = sealer_of(connection.dialect)
    if sealer is None or not sealer.binds_rights:
        return
    wanted = connection.execute(sa.select(subjects.c.id)).scalars().all() if keys is None else keys
    for chunk in _chunks(wanted):
        stand = _stand(connection, chunk)
        query = sa.select(subjects.c.id, subjects.c.uid, subjects.c.rights).where(subjects.c.id.in_(chunk))
        for key, uid, seal in connection.execute(query.order_by(subjects.c.id)).all():
            if not _holds(sealer, seal, stand.get(key, _NOTHING), name_identity(uid, key)):
                yield str(connection.execute(sa.select(subjects.c.name).where(subjects.c.id == key)).scalar_one())


def keys_of(connection: Connection, uids: Iterable[str]) -> list[int]:
    """The rows of the subjects of these random ids."""
    query = sa.select(subjects.c.id)
    return [
        int(key)
        for chunk in _chunks(uids)
        for key in connection.execute(query.where(subjects.c.uid.in_(chunk))).scalars()
    ]


def _holds(sealer: Sealer, seal: str | None, stands: tuple[list[Any], list[Any]], identity: str) -> bool:
    if seal is None:
        return False
    try:
        return sealer.open_text(seal, RIGHTS, identity) == _digest(stands)
    except SealError:
        return False


def _stand(connection: Connection, keys: list[Any]) -> dict[int, tuple[list[Any], list[Any]]]:
    """The rows of consents and of the hold of some subjects, as plain values."""
    found: dict[int, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for place, table in enumerate((consent, holds)):
        for row in connection.execute(sa.select(table).where(table.c.subject_id.in_(keys)).order_by(table.c.id)):
            found[row.subject_id][place].append(list(row))
    return found


def _digest(stands: tuple[list[Any], list[Any]]) -> str:
    return hashlib.sha256(json.dumps(stands, ensure_ascii=True).encode()).hexdigest()


def _chunks(keys: Iterable[Any]) -> Iterator[list[Any]]:
    distinct = list(dict.fromkeys(keys))
    for start in range(0, len(distinct), AT_ONCE):
        yield distinct[start : start + AT_ONCE]
