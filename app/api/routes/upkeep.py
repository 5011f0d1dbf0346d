"""Models, calibration and the audit log, to read."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Security

from app.api import models
from app.api.acting import BEARER, Acting
from app.api.problems import documented
from pipeline.errors import NoOperatingPointError
from pipeline.gallery import Entry

router = APIRouter(prefix="/v1", tags=["upkeep"], dependencies=[Security(BEARER)])
_TASKS = ("detector", "refiner", "embedder", "quality", "liveness")


@router.get("/models")
def list_models(services: Acting) -> models.Models:
    """Every known model: whether it is installed, its licence, and which are in use."""
    from pipeline.weights import ModelStore

    settings = services.in_force
    stack = {task: str(getattr(settings, task)) for task in _TASKS if hasattr(settings, task)}
    rows = [
        {
            "name": row.card.name,
            "title": row.card.title,
            "task": row.card.task,
            "installed": row.installed is not None,
            "in_use": row.card.name in stack.values(),
            "model_id": row.installed.model_id if row.installed else None,
            "licence": row.card.licence.weights,
            "commercial_use": row.card.licence.commercial_use,
            "problem": row.problem,
        }
        for row in ModelStore(settings.models_dir).list()
    ]
    return models.Models(models=rows, stack=stack)


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
    return models.Points(calibration=[asdict(one) for one in own], card=[asdict(one) for one in card])


@router.get("/audit")
def audit(
    services: Acting,
    after: Annotated[int, Query(ge=0, lt=2**63, description="`next` of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    actor: Annotated[str | None, Query(max_length=200)] = None,
    action: Annotated[str | None, Query(max_length=200)] = None,
) -> models.AuditPage:
    """The entries of the audit log, oldest first. For admins."""
    found = list(islice(services.audit(after=after, actor=actor, action=action), limit + 1))
    entries = [models.AuditEntry(**_entry(one)) for one in found[:limit]]
    return models.AuditPage(entries=entries, next=entries[-1].id if len(found) > limit else None)


@router.get("/audit/verification")
def verify_audit(services: Acting) -> models.AuditVerdict:
    """Whether the log is whole: no entry changed, removed or put in. For admins."""
    verdict = services.verify_audit()
    return models.AuditVerdict(
        whole=not verdict.findings,
        entries=verdict.entries,
        signed_by=verdict.signed_by,
        findings=[asdict(one) for one in verdict.findings],
    )


def _entry(entry: Entry) -> dict[str, Any]:
    body = entry.as_dict() | {"at": entry.at, "detail": json.loads(entry.detail)}
    del body["at_us"]
    return body
