"""Operating points as a document: kept with a gallery, or written into a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import GalleryDamagedError
from pipeline.types import OperatingPoint

KIND = "operating_points"
"""The kind of the gallery's document."""
_POINTS = TypeAdapter(tuple[OperatingPoint, ...])


def to_document(points: Sequence[OperatingPoint]) -> dict[str, Any]:
    """What JSON and TOML know; what is not set is left out, and numbers have six digits."""
    return {"points": [_set(asdict(point)) for point in points]}


def from_document(document: Mapping[str, Any] | None) -> tuple[OperatingPoint, ...]:
    """The operating points of a gallery's document; none where there is no document.

    Raises:
        GalleryDamagedError: It is not what was written.
    """
    if document is None:
        return ()
    try:
        return _POINTS.validate_python(document.get("points"), strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise GalleryDamagedError(
            f"the gallery's operating points cannot be read ({where}: {first['msg']}): make them anew with "
            "`knownface calibrate`, or go back to the model card's with `knownface calibrate --clear`"
        ) from error


def merged(old: Sequence[OperatingPoint], new: Sequence[OperatingPoint]) -> tuple[OperatingPoint, ...]:
    """The new points, and the old ones of a task that the new ones say nothing about."""
    tasks = {point.task for point in new}
    return (*(point for point in old if point.task not in tasks), *new)


def _set(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that differ from the default of their field."""
    defaults = {field.name: field.default for field in fields(OperatingPoint)}
    return {key: _plain(value) for key, value in values.items() if value != defaults.get(key)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value
