"""What can be asked of a server about what is owed to a subject: consents, holds, the copy of everything."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.client.calls import Call, nothing, subject_path
from app.client.core import Steps, ask

if TYPE_CHECKING:
    from pipeline.gallery import Consent, NewConsent

_TIMES = ("given", "expires", "withdrawn")


def consents(subject: str) -> Steps[list[Consent]]:
    """The consents of a subject."""
    return ask(Call("GET", subject_path(subject, "consents"), lambda said: [_consent(one) for one in said["consents"]]))


def consent(subject: str, new: NewConsent) -> Steps[None]:
    """Records a consent; the very same one is not recorded twice."""
    body = {
        "purpose": new.purpose,
        "basis": new.basis,
        "until": None if new.expires is None else new.expires.isoformat(),
        "text_version": new.text_version,
        "evidence": new.evidence,
        "given_by": new.given_by,
    }
    return ask(Call("POST", subject_path(subject, "consents"), nothing, body=body))


def withdraw(subject: str, purpose: str | None = None) -> Steps[int]:
    """Withdraws consents."""
    path = subject_path(subject, "consents", "withdrawal")
    return ask(Call("POST", path, lambda said: int(said["withdrawn"]), again=False, body={"purpose": purpose}))


def hold(subject: str, reason: str, until: datetime | None = None) -> Steps[None]:
    """Places a legal hold."""
    body = {"reason": reason, "until": None if until is None else until.isoformat()}
    return ask(Call("PUT", subject_path(subject, "hold"), nothing, body=body))


def release(subject: str) -> Steps[bool]:
    """Lifts a legal hold."""
    return ask(Call("DELETE", subject_path(subject, "hold"), lambda said: bool(said["lifted"]), again=False))


def export(subject: str) -> Steps[dict[str, Any]]:
    """Everything that is held about a subject; the log says that it was given out."""
    return ask(Call("GET", subject_path(subject, "export"), dict))


def _consent(said: dict[str, Any]) -> Consent:
    from pipeline.gallery import Consent

    kept = {field.name: said[field.name] for field in fields(Consent)}
    times = {name: None if kept[name] is None else datetime.fromisoformat(kept[name]) for name in _TIMES}
    return Consent(**kept | times)
