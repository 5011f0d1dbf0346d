"""What a person may ask for, and what is owed to them: consents, legal holds, the copy of everything, erasure."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Security
from starlette.responses import Response

from app.api import models
from app.api.acting import BEARER, Acting
from app.api.problems import documented
from app.api.routes.names import SubjectName as Name
from app.services import Services
from pipeline.gallery import Hold, NewConsent

router = APIRouter(prefix="/v1", tags=["rights"], dependencies=[Security(BEARER)])
_ZIP = {"schema": {"type": "string", "format": "binary"}}


@router.get("/subjects/{name}/consents", responses=documented(404))
def list_consents(services: Acting, name: Name) -> models.Consents:
    """The consents of a subject, oldest first, those that have ended too."""
    return models.Consents(**_consents(services, name))


@router.post("/subjects/{name}/consents", status_code=201, responses=documented(404))
def give_consent(services: Acting, name: Name, new: models.NewConsent) -> models.Consents:
    """Record a consent that the policy allows; the very same one, if it is in force, is not recorded twice."""
    found = NewConsent(new.purpose, new.basis, new.until, new.text_version, new.evidence, new.given_by)
    services.consent(name, found)
    return models.Consents(**_consents(services, name))


@router.post("/subjects/{name}/consents/withdrawal", responses=documented(404))
def withdraw(services: Acting, name: Name, what: models.Withdrawal) -> models.Withdrawn:
    """Withdraw the consents in force. Nothing is erased by that: retention by the policy does, or an erasure."""
    gone = services.withdraw(name, what.purpose)
    return models.Withdrawn(withdrawn=gone, **_consents(services, name))


@router.get("/holds")
def list_holds(services: Acting) -> models.Holds:
    """The legal holds in force, by name of the subject."""
    return models.Holds(holds=[_hold(one) for one in services.gallery.holds()])


@router.put("/subjects/{name}/hold", responses=documented(404))
def hold(services: Acting, name: Name, new: models.NewHold) -> models.Holds:
    """Place a legal hold, in place of the one there is: nobody erases the subject. For admins."""
    services.hold(name, new.reason, new.until)
    return _holds_of(services, name)


@router.delete("/subjects/{name}/hold", responses=documented(404))
def release(services: Acting, name: Name) -> models.Lifted:
    """Lift a legal hold. For admins."""
    return models.Lifted(lifted=services.release(name))


@router.get(
    "/subjects/{name}/export",
    response_model=models.SubjectExport,
    responses={**documented(404), 200: {"content": {"application/zip": _ZIP}, "description": "All of it."}},
)
def export(
    services: Acting,
    name: Name,
    form: Annotated[
        Literal["json", "zip"], Query(alias="format", description="`zip` has the pictures as files.")
    ] = "json",
) -> Any:
    """Everything that is held about a subject. The log says that it was given out. For operators."""
    if form == "json":
        services.export_subject(name, None)
        return services.everything(name)
    with TemporaryDirectory(dir=services.settings.home, prefix=".export-") as folder:
        file = Path(folder) / "subject.zip"
        services.export_subject(name, file)
        return Response(file.read_bytes(), media_type="application/zip")


@router.post("/subjects/{name}/erasure", responses=documented(404, 409))
def erase(services: Acting, name: Name, why: models.ErasureReason) -> models.Certificate:
    """Erase a subject from gallery, runs and caches, and certify it. For admins."""
    return models.Certificate(**services.erase(name, why.reason).as_dict())


def _consents(services: Services, name: str) -> dict[str, Any]:
    gallery, now = services.gallery, datetime.now(UTC)
    rows = [models.Consent(**one.as_dict(), in_force=one.holds_at(now)) for one in gallery.consents(name)]
    return {"subject": gallery.subject(name).info.name, "consents": rows}


def _holds_of(services: Services, name: str) -> models.Holds:
    subject = services.gallery.subject(name).info.name
    return models.Holds(holds=[_hold(one) for one in services.gallery.holds() if one.subject == subject])


def _hold(one: Hold) -> models.Hold:
    return models.Hold(subject=one.subject, reason=one.reason, placed=one.placed, until=one.until, by=one.actor)
