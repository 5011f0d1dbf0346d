"""Thresholds for a gallery that changes its model: measured on the gallery itself where it can be, else the card's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.calibration import Source, from_folder, of_gallery, run, sizes_for
from app.services import Services
from pipeline.build import operating_points
from pipeline.calibration.records import KIND, from_document, to_document
from pipeline.config import Settings
from pipeline.decide import choose_identify_point, choose_verify_point
from pipeline.errors import CalibrationError, NoOperatingPointError, SwitchRefusedError
from pipeline.gallery import Gallery
from pipeline.types import OperatingPoint

_STAGES = "stages"
Documents = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Carried:
    """What the new model gets with the step.

    Attributes:
        documents: By kind.
        said: In words, for whoever switches.
    """

    documents: dict[str, dict[str, Any]]
    said: str


def carry(
    gallery: Gallery,
    settings: Settings,
    old: Documents,
    new: Documents,
    *,
    folder: Path | None,
    required: bool,
    as_they_are: bool,
) -> Carried:
    """Thresholds, and what else of the old model's documents holds for the new one.

    Args:
        gallery: Opened by the new model, with everybody's templates.
        settings: With the new embedder.
        old: The documents of the old model.
        new: Those of the new one; a calibration among them was made for it, and stays.
        folder: Photos to measure on (a sub-folder per person) instead of the gallery.
        required: Refuse where nothing says which score is a match.
        as_they_are: Measure nothing.

    Raises:
        SwitchRefusedError: Nothing says which score is a match.
    """
    documents: dict[str, dict[str, Any]] = {}
    if _STAGES in old and _STAGES not in new:  # the faces were found and cut out by those stages
        documents[_STAGES] = dict(old[_STAGES])
    if as_they_are or KIND in new:
        points = from_document(new.get(KIND))
        return Carried(
            documents, _said("as before for this model", points) if points else "the model card's thresholds"
        )
    fmrs, fpirs = _rates(settings, from_document(old.get(KIND)))
    people = len(gallery)
    try:
        source = of_gallery(gallery) if folder is None else _measured(settings, folder)
        sizes = sizes_for(people, fpirs, source.people)
        enrolled = max(1, round(gallery.sample_count / people)) if people else 1
        fused = settings.subject_score == "fused"
        result = run(source, fmrs=fmrs, fpirs=fpirs, sizes=sizes, enrolled=enrolled, fused=fused)
    except CalibrationError as error:
        if folder is not None:
            raise
        return Carried(documents, _of_card(gallery, settings, fmrs, fpirs, required=required, why=error.message))
    documents[KIND] = to_document(result.points)
    return Carried(documents, _said("measured with the new model", result.points))


def _rates(settings: Settings, own: tuple[OperatingPoint, ...]) -> tuple[list[float], list[float]]:
    """The error rates that thresholds are wanted for: those the gallery was calibrated for, else the settings'."""
    fmrs = sorted({p.target for p in own if p.task == "verify" and p.target is not None})
    fpirs = sorted({p.target for p in own if p.task == "identify" and p.target is not None})
    return fmrs or [settings.verify_fmr], fpirs or [settings.identify_fpir]


def _measured(settings: Settings, folder: Path) -> Source:
    return from_folder(Services(settings), folder)


def _of_card(
    gallery: Gallery, settings: Settings, fmrs: list[float], fpirs: list[float], *, required: bool, why: str
) -> str:
    points, model_id = operating_points(settings), gallery.model_id
    try:
        chosen = [choose_verify_point(points, model_id, rate) for rate in fmrs]
        chosen += [choose_identify_point(points, model_id, rate, max(1, len(gallery))) for rate in fpirs]
    except NoOperatingPointError as error:
        if required:
            raise SwitchRefusedError(
                f"nothing says which score is a match with {model_id}: its card does not, and the gallery cannot be "
                f"used to measure it ({why}): measure it on photos of your own with --calibrate-on DIR, or switch "
                "without with --no-point"
            ) from error
        return "none: measure them with `knownface calibrate`"
    return _said(f"the model card's, since they cannot be measured on this gallery ({why})", chosen)


def _said(how: str, points: list[OperatingPoint] | tuple[OperatingPoint, ...]) -> str:
    each = ", ".join(
        f"{p.task}{f' ({p.gallery_size:,})' if p.gallery_size else ''} {p.threshold:.4f}" for p in dict.fromkeys(points)
    )
    return f"{how}: {each}"
