"""What determines the faces and templates of a run, besides the photos."""

from __future__ import annotations

from typing import Any

from app.services import Services
from pipeline.errors import ModelMissingError
from pipeline.weights import ModelStore

_FORMAT = 1
#: The settings that a face's place, crop or template depends on.
_SETTINGS = (
    *("detection_min_side", "detection_max_side", "min_confidence", "nms_iou", "min_face"),
    *("flip_fusion", "crop_zooms"),
)
#: Those that what is seen of a video depends on besides.
_OF_VIDEOS = ("video_interval_ms", "video_max_gap_s", "video_min_seen")


def recipe_of(services: Services) -> dict[str, Any]:
    """The models by their hashes, and the settings that matter, as they stand in the ledger."""
    recognizer, settings = services.recognizer, services.in_force
    stages = {"detector": settings.detector, "refiner": settings.refiner}
    return {
        "format": _FORMAT,
        "model_id": recognizer.model_id,
        **{stage: _identity(ModelStore(settings.models_dir), name) for stage, name in stages.items()},
        **settings.model_dump(mode="json", include=set(_SETTINGS)),
        "video": settings.model_dump(mode="json", include=set(_OF_VIDEOS)),
    }


def _identity(store: ModelStore, name: str) -> str:
    """A model's name and hash; its name alone where a recognizer works without its being installed."""
    if name == "none":
        return name
    try:
        return store.installed(name).model_id
    except ModelMissingError:
        return name
