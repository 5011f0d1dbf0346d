"""The change of the gallery to another model, and the calibration: asked for, followed and stopped; they are jobs."""

from __future__ import annotations

from fastapi import APIRouter, Security

from app import calibration, calibration_job, model_jobs
from app.access import Role
from app.api import models
from app.api.acting import BEARER, Acting, Shared
from app.api.problems import RefusedError, documented
from app.services import Services
from pipeline.errors import ModelMissingError
from pipeline.images import one_line
from pipeline.weights import ModelStore

router = APIRouter(prefix="/v1", tags=["models and calibration"], dependencies=[Security(BEARER)])


@router.get("/models/change")
def show_change(services: Acting) -> models.ModelChange:
    """How far the last change of models is, whoever started it."""
    return _change(services)


@router.post("/models/change", status_code=202, responses=documented(409))
def change_model(state: Shared, services: Acting, new: models.NewModel) -> models.ModelChange:
    """Start the change to an installed model. For admins.

    For another embedder everybody enrolled is embedded anew, while searches go on with the old one, and the gallery
    goes over in one step. Another detector, refiner or liveness model counts when the server starts the next time.
    """
    services.require(Role.ADMIN)
    if new.model not in model_jobs.OFF.values() and new.model not in ModelStore(services.settings.models_dir).cards:
        raise RefusedError("model_unknown", f"{one_line(new.model)}: no such model; GET /v1/models lists all")
    try:
        model_jobs.use(services, new.model, photos=new.photos or "", leave_behind=new.leave_behind, config=state.config)
    except ModelMissingError as error:
        raise RefusedError("model_unknown", error.message) from error
    return _change(services)


@router.post("/models/change/rollback", status_code=202, responses=documented(409))
def rollback(state: Shared, services: Acting) -> models.ModelChange:
    """Start the way back to the embedder of before. For admins."""
    model_jobs.rollback(services, config=state.config)
    return _change(services)


@router.post("/models/change/resume", status_code=202, responses=documented(409))
def resume(services: Acting) -> models.ModelChange:
    """Go on with a change that was stopped or refused: what was embedded is kept. For admins."""
    model_jobs.go_on(services)
    return _change(services)


@router.post("/models/change/stop", status_code=202)
def stop_change(services: Acting) -> models.ModelChange:
    """Ask a change that was started here to end; what was embedded is kept. For admins."""
    model_jobs.stop(services)
    return _change(services)


@router.post("/calibration", status_code=202, responses=documented(409))
def calibrate(state: Shared, services: Acting, new: models.NewCalibration) -> models.Calibration:
    """Start measuring thresholds for error rates; they are used from then on. For operators."""
    asked = calibration_job.Asked(new.fmr, new.fpir, new.size, new.folder or "", new.card)
    calibration_job.start(services, asked, state.config)
    return _calibration(services)


@router.get("/calibration/job")
def show_calibration(services: Acting) -> models.Calibration:
    """How the last calibration that was asked for here went."""
    return _calibration(services)


@router.post("/calibration/stop", status_code=202)
def stop_calibration(services: Acting) -> models.Calibration:
    """Ask the calibration to end; the operating points stay as they are. For operators."""
    calibration_job.stop(services)
    return _calibration(services)


@router.delete("/calibration")
def clear_calibration(services: Acting) -> models.Cleared:
    """Go back to the operating points of the model's card. For operators."""
    return models.Cleared(cleared=calibration.clear(services))


def _change(services: Services) -> models.ModelChange:
    now = model_jobs.standing(services)
    return models.ModelChange(
        state=now.state,
        busy=now.busy,
        model=now.what,
        done=now.done,
        total=now.total,
        message=now.message,
        by=now.by,
    )


def _calibration(services: Services) -> models.Calibration:
    now = calibration_job.standing(services)
    return models.Calibration(
        state=now.state, started=now.started, finished=now.finished, by=now.by, message=now.message
    )
