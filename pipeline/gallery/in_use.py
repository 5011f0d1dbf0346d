"""Which model a gallery is searched with. The gallery itself says so, in one document; settings are for new galleries.

The document is written in one transaction, so every process sees either the model of before or the new one. A gallery
in which nobody was enrolled since there are such documents has none: it is searched with the model of the settings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from pipeline.errors import GalleryDamagedError, ModelSwitchedError
from pipeline.gallery import documents
from pipeline.types import FLIP_SUFFIX

KIND = "model"
OF_ALL = ""
"""Stands where other documents name their model: this one, and the progress of a change, belong to the gallery."""

_SUFFIX = re.compile(rf"@[0-9a-f]{{8}}(?P<flip>{re.escape(FLIP_SUFFIX)})?(?:\+zoom(?P<zooms>[0-9._]+))?$")


@dataclass(frozen=True, slots=True)
class Model:
    """An embedder, as a gallery names it.

    Attributes:
        model_id: Identity of its templates: `arch.tag@sha8`, and what was averaged in.
        dimension: Length of a vector.
    """

    model_id: str
    dimension: int

    @property
    def embedder(self) -> str:
        """Name of its card."""
        return self.model_id.partition("@")[0]

    @property
    def flip_fusion(self) -> bool:
        """Whether the mirrored crop is averaged in."""
        found = _SUFFIX.search(self.model_id)
        return found is not None and found["flip"] is not None

    @property
    def crop_zooms(self) -> tuple[float, ...]:
        """Further crops that are averaged in."""
        found = _SUFFIX.search(self.model_id)
        return tuple(float(zoom) for zoom in found["zooms"].split("_")) if found and found["zooms"] else ()

    def as_document(self) -> dict[str, Any]:
        """As it goes into JSON."""
        return {"model_id": self.model_id, "dimension": self.dimension}


@dataclass(frozen=True, slots=True)
class InUse:
    """What a gallery says about its models.

    Attributes:
        model: The one it is searched with.
        previous: The one before, whose templates are still there; None where there is none to go back to.
        left_behind: The one through which people without a template of `model` are still searched.
    """

    model: Model
    previous: Model | None = None
    left_behind: Model | None = None

    def as_document(self) -> dict[str, Any]:
        """As it goes into JSON."""
        named = {"model": self.model, "previous": self.previous, "left_behind": self.left_behind}
        return {name: None if model is None else model.as_document() for name, model in named.items()}


def read(connection: Connection) -> InUse | None:
    """What the gallery says; None where it says nothing.

    Raises:
        GalleryDamagedError: It is not what was written.
    """
    body = documents.read(connection, KIND, OF_ALL)
    if body is None:
        return None
    model = _model(body.get("model"))
    if model is None:
        raise _damaged()
    return InUse(model, _model(body.get("previous")), _model(body.get("left_behind")))


def write(connection: Connection, state: InUse) -> None:
    """Makes it so, within the caller's transaction."""
    documents.write(connection, KIND, OF_ALL, documents.encode(KIND, state.as_document()))


def require(connection: Connection, model_id: str) -> None:
    """Refuses what was made with another model than the gallery is searched with.

    Raises:
        ModelSwitchedError: The gallery was switched meanwhile.
    """
    state = read(connection)
    if state is not None and state.model.model_id != model_id:
        raise ModelSwitchedError(
            f"the gallery is searched with {state.model.model_id} by now, not with {model_id}: look at the photo again"
        )


def _model(body: Any) -> Model | None:
    if body is None:
        return None
    if not isinstance(body, dict):
        raise _damaged()
    model_id, dimension = body.get("model_id"), body.get("dimension")
    if not isinstance(model_id, str) or not model_id or not isinstance(dimension, int) or dimension < 1:
        raise _damaged()
    return Model(model_id, dimension)


def _damaged() -> GalleryDamagedError:
    return GalleryDamagedError(
        "the gallery does not say any more which model it is searched with: restore a backup with "
        "`knownface gallery restore FILE`"
    )
