"""Models and calibration, to read."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Security

from app.api import models
from app.api.acting import BEARER, Acting
from app.api.problems import documented
from pipeline.errors import NoOperatingPointError

router = APIRouter(prefix="/v1", tags=["models and calibration"], dependencies=[Security(BEARER)])


@router.get("/models")
def list_models(services: Acting) -> models.Models:
    """Every known model: whether it is installed, its licence, and which are in use."""
    from app.model_rows import known_models

    rows, stack = known_models(services.in_force)
    return models.Models(models=[models.Model(**row) for row in rows], stack=stack)


@router.get("/models/status", responses=documented(409))
def status(services: Acting) -> models.ModelStatus:
    """Which model the gallery is searched with, in which runtimes, and what does not fit."""
    notes = [services.stages_note()]
    try:
        notes.append(services.score_note())
    except NoOperatingPointError as error:
        notes.append(error.message)
    recognizer = services.recognizer
    return models.ModelStatus(
        model_id=recognizer.model_id,
        subjects=len(services.gallery),
        runtimes=recognizer.runtimes,
        notes=[note for note in notes if note],
    )


@router.get("/calibration")
def calibration(services: Acting) -> models.Points:
    """The operating points: what was measured for this gallery, and what the model's card says."""
    own, card = services.calibration(), services.points
    return models.Points(
        calibration=[models.Point(**asdict(one)) for one in own], card=[models.Point(**asdict(one)) for one in card]
    )
