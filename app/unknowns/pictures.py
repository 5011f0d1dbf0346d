"""Small pictures of faces, from whichever run has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from app.runs import rows
from app.unknowns.clustering import runs_of_registry
from app.unknowns.registry import Registry

if TYPE_CHECKING:
    from app.services import Services


def pictures(services: Services, registry: Registry, faces: Iterable[str]) -> dict[str, bytes]:
    """JPEG of each of these faces that some run has; quick however many others there are.

    Args:
        services: Whose model counts.
        registry: Of this gallery and model.
        faces: Their face_ids.
    """
    wanted, found = list(faces), dict[str, bytes]()
    for run in runs_of_registry(services, registry):
        missing = [face for face in wanted if face not in found]
        if not missing:
            break
        with run.snapshot() as connection:
            for face in missing:
                if (picture := rows.thumbnail(connection, face)) is not None:
                    found[face] = picture
    return found
