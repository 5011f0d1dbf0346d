"""People nobody has named yet: the unknown faces of all runs in clusters, with names that stay (U-0001).

identity    which cluster keeps which number          registry    what is kept, and what people have said
clustering  the faces of all runs into clusters       naming      what people say: who it is, merge, split
sheet       a cluster's faces on one page               results     the runs' result files once more
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from app.unknowns import schema
from app.unknowns.clustering import assign_clusters, refresh, registry_of
from app.unknowns.identity import label
from app.unknowns.naming import Named, members, merge_clusters, name_cluster, portrait, split_cluster
from app.unknowns.registry import Registry, erase
from app.unknowns.results import write_again

if TYPE_CHECKING:
    from pipeline.gallery.vault.files import FileKeys

__all__ = [
    "Named",
    "Registry",
    "assign_clusters",
    "forget",
    "label",
    "members",
    "merge_clusters",
    "name_cluster",
    "portrait",
    "refresh",
    "registry_of",
    "rename",
    "split_cluster",
    "write_again",
]


def forget(
    home: Path, *, photo_sha256s: Iterable[str] = (), subject: str | None = None, keys: FileKeys | None = None
) -> set[str]:
    """Erases, for every gallery and model, what is kept of faces; their bytes are overwritten.

    Args:
        home: The data folder.
        photo_sha256s: Faces of these photos and videos.
        subject: Faces of clusters that were given this name and not all recognised.
        keys: Of the gallery, where the names may be encrypted.

    Returns:
        The face_ids that were erased, so that the ledgers of the runs can forget them too.

    Raises:
        UnknownsDamagedError: A file cannot be read or written.
    """
    photos, gone = list(photo_sha256s), set[str]()
    for file in sorted(schema.folder(home).glob("*.sqlite3")):
        gone |= erase(file, photos, subject, keys)
    return gone


def rename(home: Path, old: str, new: str | None, keys: FileKeys | None = None) -> None:
    """Puts another name in place of a subject's, or none, for every gallery and model.

    Raises:
        UnknownsDamagedError: A file cannot be written.
    """
    for file in sorted(schema.folder(home).glob("*.sqlite3")):
        with schema.connected(file, keys) as connection, schema.transaction(connection):
            names = tuple(connection.seal.key(name, schema.SUBJECT) for name in (new, old))
            connection.execute("update clusters set subject = ? where subject = ?", names)
