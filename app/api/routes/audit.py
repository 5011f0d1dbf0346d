"""The audit log, for admins."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Security

from app.api import models
from app.api.acting import BEARER, Acting
from pipeline.gallery import Entry

router = APIRouter(prefix="/v1", tags=["audit"], dependencies=[Security(BEARER)])


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
        end=None if verdict.end is None else models.AuditEnd(**asdict(verdict.end)),
        signed_by=verdict.signed_by,
        findings=[models.AuditFinding(**asdict(one)) for one in verdict.findings],
    )


def _entry(entry: Entry) -> dict[str, Any]:
    body = entry.as_dict() | {"at": entry.at, "detail": json.loads(entry.detail)}
    del body["at_us"]
    return body
