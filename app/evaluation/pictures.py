"""Faces for a report, as the embedder saw them."""

from __future__ import annotations

from collections.abc import Callable

from app.evaluation.embed import Opener
from app.report import data_uri
from app.services import Services
from pipeline.errors import PhotoError
from pipeline.types import Image

_SIDE_PX = 112


class Pictures:
    """Pictures of photos by name, each made once.

    Args:
        services: Recognizer and settings.
        opener: Opens a photo by its name.
        aligned: The photos are aligned crops.
        photo_of: From the name of what was compared (a template, say) to that of a photo.
    """

    def __init__(
        self, services: Services, opener: Opener, *, aligned: bool, photo_of: Callable[[str], str] = str
    ) -> None:
        self._services, self._opener, self._aligned, self._photo_of = services, opener, aligned, photo_of
        self._made: dict[str, str | None] = {}

    def of(self, name: str) -> str | None:
        """The face as a `data:` address; the whole photo where none was found; None where it cannot be opened."""
        photo = self._photo_of(name)
        if photo not in self._made:
            try:
                self._made[photo] = data_uri(self._picture(photo))
            except PhotoError:
                self._made[photo] = None
        return self._made[photo]

    def _picture(self, name: str) -> Image:
        photo = self._opener(name)
        if not self._aligned:
            try:
                crop: Image = self._services.recognizer.best_face(photo).aligned.crops[0]
                return crop
            except PhotoError:
                pass
        return photo.thumbnail(_SIDE_PX)
