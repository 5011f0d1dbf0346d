"""The model of a gallery: recognizer and gallery go together, and change together when the gallery is switched.

The gallery says which model it is searched with (`pipeline.gallery.in_use`); the settings name that of a new gallery.
A process that runs for long asks at every use whether that is still so; it costs one cheap question to the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from pipeline.config import Settings
from pipeline.errors import ModelMissingError, ModelSwitchedError, PhotoError
from pipeline.images import Photo

if TYPE_CHECKING:
    from app.enrolling import Enrolling
    from app.photos import Source
    from pipeline.gallery import Gallery, Model
    from pipeline.recognizer import Faces, Recognizer
    from pipeline.types import OperatingPoint

Item = TypeVar("Item")
Row = TypeVar("Row")


def settings_for(settings: Settings, model: Model) -> Settings:
    """The settings with the embedder that a gallery names."""
    chosen = {"embedder": model.embedder, "flip_fusion": model.flip_fusion, "crop_zooms": model.crop_zooms}
    return settings.model_copy(update=chosen)


def followed(gallery: Gallery) -> Gallery | None:
    """The same gallery by the model it is searched with by now; None while that is the one it has."""
    state = gallery.in_use()
    if state is None or state.model.model_id == gallery.model_id:
        return None
    return gallery.of_model(state.model)


def second_of(gallery: Gallery | None) -> Model | None:
    """The model through which those who were left behind are searched; None where nobody was."""
    state = None if gallery is None else gallery.in_use()
    return None if state is None else state.left_behind


def require_installed(recognizer: Recognizer, model: Model) -> None:
    """Refuses a recognizer that is not the one whose templates the gallery holds.

    Raises:
        ModelMissingError: Another file is installed under the name.
    """
    if recognizer.model_id != model.model_id:
        raise ModelMissingError(
            f"the gallery is searched with {model.model_id}, but under that name {recognizer.model_id} is installed: "
            f"install the former again, or embed the gallery with the latter: `knownface models use {model.embedder}`"
        )


def require_point(point: OperatingPoint, faces: Faces) -> None:
    """Refuses an operating point of another model than the faces were looked at with.

    Raises:
        ModelSwitchedError: The gallery was switched since.
    """
    if point.model_id != faces.templates.model_id:
        raise ModelSwitchedError(
            f"{faces.source}: was looked at with {faces.templates.model_id}, but {point.model_id} is in use by now: "
            "look at it again"
        )


def require_current(faces: Faces, gallery: Gallery) -> None:
    """Refuses faces that were looked at with another model than the gallery is searched with.

    Raises:
        ModelSwitchedError: The gallery was switched since.
    """
    if faces.templates.model_id != gallery.model_id:
        raise ModelSwitchedError(
            f"{faces.source}: was looked at with {faces.templates.model_id}, but the gallery is searched with "
            f"{gallery.model_id} by now: look at it again"
        )


def retried(
    services: Enrolling,
    faces: Faces,
    source: Source,
    act: Callable[[Faces], Row],
    failed: Callable[[PhotoError], Row],
) -> Row:
    """Acts on faces; looks at the photo again as often as the gallery is switched in between.

    Args:
        services: Recognizer and gallery.
        faces: What the photo shows.
        source: The photo.
        act: What to do.
        failed: Makes the row of a photo that cannot be looked at again.

    Raises:
        ModelSwitchedError: Looking again gives faces of the same model: the gallery holds another than is installed.
    """
    while True:
        try:
            return act(faces)
        except ModelSwitchedError:
            before = faces.templates.model_id
            try:
                faces = services.recognizer.analyse(services.open(source))
            except PhotoError as error:
                return failed(error)
            if faces.templates.model_id == before:
                raise


def stream(
    services: Enrolling, items: Iterable[Item], open_source: Callable[[Item], Photo], *, workers: int, chunk: int = 8
) -> Iterator[tuple[Item, Faces | PhotoError]]:
    """As `Recognizer.stream`, but by the model that is in use when a photo's result is handed on.

    What was under way when the gallery was switched is analysed again.
    """
    iterator, exhausted = iter(items), False
    while not exhausted:
        recognizer = services.recognizer

        def some(recognizer: Recognizer = recognizer) -> Iterator[Item]:
            nonlocal exhausted
            for item in iterator:
                yield item
                if services.recognizer is not recognizer:
                    return
            exhausted = True

        for item, found in recognizer.stream(some(), open_source, workers=workers, chunk=chunk):
            now = services.recognizer
            if now is recognizer or isinstance(found, PhotoError):
                yield item, found
            else:
                yield item, _again(now, item, open_source)


def _again(recognizer: Recognizer, item: Item, open_source: Callable[[Item], Photo]) -> Faces | PhotoError:
    try:
        return recognizer.analyse(open_source(item))
    except PhotoError as error:
        return error
