"""Which models the people of a gallery were enrolled with.

Detector and refiner are kept as a document of the gallery; the gallery says itself with which embedder it is searched.
"""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.gallery import Gallery

_KIND = "stages"
"""The kind of the gallery's document."""


def _stages(settings: Settings) -> dict[str, str]:
    return {"detector": settings.detector, "refiner": settings.refiner}


def remember(gallery: Gallery, settings: Settings) -> None:
    """Keeps with the gallery what its first people are enrolled with."""
    gallery.keep_model()
    gallery.put_document(_KIND, _stages(settings))


def difference(gallery: Gallery, settings: Settings) -> str:
    """What has changed since the first people were enrolled, in one sentence; "" if nothing, or if it is not known."""
    if others := gallery.models_instead():
        state = gallery.in_use()
        if state is not None and state.model.model_id == gallery.model_id and state.left_behind is not None:
            return (
                f"everybody here ({len(gallery)}) was left behind by the change to {gallery.model_id}, and is searched "
                f"with {state.left_behind.model_id} until enrolled again; runs and videos do not find them"
            )
        return (
            f"nobody enrolled in this gallery has a template of the model in use, {gallery.model_id}, so nobody is "
            f"found: enrol their photos again, or go back with `knownface models use {others[0].partition('@')[0]}`"
        )
    if other := _other_embedder(gallery, settings):
        return other
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


def _other_embedder(gallery: Gallery, settings: Settings) -> str:
    state = gallery.in_use()
    if state is None or state.model.model_id != gallery.model_id:
        return ""
    model = state.model
    named = (settings.embedder, settings.flip_fusion, settings.crop_zooms)
    if named == (model.embedder, model.flip_fusion, model.crop_zooms):
        return ""
    return (
        f"this gallery is searched with {model.model_id}; the settings, which name {settings.embedder}, are for new "
        f"galleries: `knownface models use {settings.embedder}` embeds the people of this one anew"
    )
