"""Which detector and refiner the people of a gallery were enrolled with. The embedder stands in their model_id."""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.gallery import Gallery

_KIND = "stages"
"""The kind of the gallery's document."""


def _stages(settings: Settings) -> dict[str, str]:
    return {"detector": settings.detector, "refiner": settings.refiner}


def remember(gallery: Gallery, settings: Settings) -> None:
    """Keeps with the gallery what its first people are enrolled with."""
    gallery.put_document(_KIND, _stages(settings))


def difference(gallery: Gallery, settings: Settings) -> str:
    """What has changed since the first people were enrolled, in one sentence; "" if nothing, or if it is not known."""
    before = gallery.document(_KIND)
    if before is None:
        return ""
    changed = [
        f"{stage} {before.get(stage)}, now {now}"
        for stage, now in _stages(settings).items()
        if before.get(stage) != now
    ]
    if not changed:
        return ""
    return (
        f"the first people of this gallery were enrolled with another {' and '.join(changed)}: scores may come out "
        "lower; enrol them again, or go back with `knownface models use`"
    )
