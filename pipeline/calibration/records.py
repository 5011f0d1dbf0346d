"""Operating points as a document: kept with a gallery, or written into a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import GalleryDamagedError
from pipeline.types import OperatingPoint

KIND = "operating_points"
"""The kind of the gallery's document."""
_POINTS = TypeAdapter(tuple[OperatingPoint, ...])


def to_document(points: Sequence[OperatingPoint]) -> dict[str, Any]:
    """What JSON and TOML know; values that are not set are left out, numbers have six digits."""
    return {"points": [_filled(asdict(point)) for point in points]}


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


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _filled(value)
        if isinstance(value, Mapping)
        else float(f"{value:.6g}")
        if isinstance(value, float)
        else value
        for key, value in values.items()
        if value is not None and value != ""
    }
