"""Names for those who appear in a video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.outcomes import Identification
from app.video.appearances import Appearances, analyse_video, track_settings
from pipeline.decide import decide_photo
from pipeline.errors import NoFaceError, PhotoError
from pipeline.tracks import TrackSettings
from pipeline.types import Decision, Templates

if TYPE_CHECKING:
    from app.services import Services


def tracking_of(services: Services) -> TrackSettings:
    """When two faces of a video are one track: the model's own operating points say, whatever the gallery.

    Raises:
        NoOperatingPointError: Neither the card nor a calibration has one.
    """
    return track_settings(services.settings, services.points or services.calibration(), services.recognizer.model_id)


def analysed(services: Services, path: str | Path) -> Appearances:
    """Everybody who appears in a video, by the model in use.

    Raises:
        PhotoError: It cannot be used.
        NoOperatingPointError: As `tracking_of`.
    """
    settings = services.settings
    return analyse_video(path, services.recognizer, settings, tracking_of(services), workers=settings.worker_count)


def identify_video(services: Services, path: str) -> Identification:
    """Names who appears in a video: each appearance alone, since one person may come and go.

    It is looked at again as often as the gallery is switched to another model meanwhile.

    Args:
        services: Recognizer, gallery and settings.
        path: Of the file.
    """
    try:
        found = analysed(services, path)
        while found.templates.model_id != services.gallery.model_id:
            found = analysed(services, path)
    except PhotoError as error:
        return Identification(path, error=error)
    if not len(found):
        said = f"{found.source}: nobody was found in it: use a video in which faces are larger, or are seen for longer"
        return Identification(path, appearances=found, error=NoFaceError(said))
    return Identification(path, decisions=decided(services, found.templates), appearances=found)


def decided(services: Services, templates: Templates) -> tuple[Decision, ...]:
    """A decision for each appearance, from its template."""
    gallery, point = services.gallery, services.identify_point()
    candidates = gallery.search(templates, k=2, threshold=point.threshold)
    return decide_photo(candidates, point, len(gallery), norms=templates.norms.tolist(), allow_repeats=True)
