"""Enrolment by a request: photos looked at in shared passes, each in a transaction of its own, once for each key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from app import in_use
from app.access import Role
from app.api import models
from app.api.idempotency import Outcome, Warned, fingerprint
from app.api.problems import TABLE
from app.api.state import State
from app.outcomes import Enrolment, EnrolmentWarning
from app.photos import Upload
from app.services import Services
from pipeline.errors import KnownfaceError, PhotoError
from pipeline.gallery import NewConsent, normalise


@dataclass(frozen=True, slots=True)
class Asked:
    """What an enrolment asks for, besides the photos.

    Attributes:
        subject: The name.
        face: Number of the face.
        consent: What is agreed to; None for none.
        refuse_lookalikes: A photo that looks most like somebody else is not enrolled.
    """

    subject: str
    face: int | None
    consent: NewConsent | None
    refuse_lookalikes: bool = False


def consent_of(
    purpose: str | None,
    until: datetime | None,
    basis: str = "consent",
    text_version: str | None = None,
    evidence: str | None = None,
    given_by: str | None = None,
) -> NewConsent | None:
    """A consent as `NewConsent` has it, None without a purpose."""
    return None if purpose is None else NewConsent(purpose, basis, until, text_version, evidence, given_by)


def enrol(
    state: State, services: Services, asked: Asked, photos: Sequence[Upload], key: str | None
) -> models.Enrolment:
    """Enrols photos of one subject; under a key that was used for the same request, answers as then.

    Raises:
        NotAllowedError: The actor is no operator.
        KnownfaceError: None of the photos can be enrolled: the first one's error.
        RefusedError: The key belongs to another request, or too many photos wait.
    """
    services.require(Role.OPERATOR)
    subject = normalise(asked.subject)
    if key is None:
        return _answer(subject, _enrol(state, services, subject, asked, photos))
    actor = services.actor.name
    parts = asdict(replace(asked, subject=subject))
    before = state.requests.begin(actor, key, fingerprint(parts, [(photo.name, photo.data) for photo in photos]))
    if before is not None:
        return _again(services, subject, photos, before)
    kept = False
    try:
        rows = _enrol(state, services, subject, asked, photos)
        if any(row.sample_id for row in rows):
            state.requests.finish(actor, key, _outcomes(services, rows))
            kept = True
    finally:
        if not kept:
            state.requests.give_up(actor, key)
    return _answer(subject, rows)


def _enrol(state: State, services: Services, subject: str, asked: Asked, photos: Sequence[Upload]) -> list[Enrolment]:
    rows = []
    for photo, faces in zip(photos, state.look(photos), strict=True):
        if isinstance(faces, PhotoError):
            rows.append(Enrolment(subject, photo.name, error=faces))
            continue
        how: dict[str, Any] = {"consent": asked.consent, "refuse_lookalikes": asked.refuse_lookalikes}
        act = partial(services.enrol_faces, subject, face=asked.face, **how)
        rows.append(in_use.retried(services, faces, photo, act, partial(_not_enrolled, subject, photo.name)))
    return rows


def _not_enrolled(subject: str, photo: str, error: PhotoError) -> Enrolment:
    return Enrolment(subject, photo, error=error)


def _outcomes(services: Services, rows: Sequence[Enrolment]) -> list[Outcome]:
    ids = services.gallery.subject_ids(sorted({one.subject for row in rows for one in row.warnings}))
    return [
        Outcome(
            row.sample_id,
            row.already,
            row.error.code if row.error else None,
            tuple(Warned(one.kind, ids.get(one.subject), one.score, one.threshold) for one in row.warnings),
        )
        for row in rows
    ]


def _answer(subject: str, rows: Sequence[Enrolment]) -> models.Enrolment:
    errors: list[KnownfaceError] = [row.error for row in rows if row.error is not None]
    if len(errors) == len(rows):
        raise errors[0]
    enrolled = [
        models.Enrolled(
            subject=subject,
            photo=row.photo,
            sample_id=row.sample_id,
            already=row.already,
            warnings=[models.EnrolmentWarning(**one.as_dict()) for one in row.warnings],
        )
        for row in rows
        if row.sample_id is not None
    ]
    failed = [
        models.Failed(photo=row.photo, error=row.error.code, message=row.error.message) for row in rows if row.error
    ]
    return models.Enrolment(enrolled=enrolled, failed=failed)


def _again(services: Services, subject: str, photos: Sequence[Upload], before: Sequence[Outcome]) -> models.Enrolment:
    """The answer of then: the names come from this request, which says the same; of an error stands its title."""
    pairs = list(zip(photos, before, strict=True))
    names = services.gallery.subject_names([found.subject_id or "" for one in before for found in one.warned])
    enrolled = [
        models.Enrolled(
            subject=subject,
            photo=photo.name,
            sample_id=one.sample_id,
            already=one.already,
            warnings=[_warned_again(found, names.get(found.subject_id or "")) for found in one.warned],
        )
        for photo, one in pairs
        if one.sample_id is not None
    ]
    failed = [
        models.Failed(photo=photo.name, error=one.error, message=f"{photo.name}: {TABLE[one.error][1].lower()}")
        for photo, one in pairs
        if one.error is not None
    ]
    return models.Enrolment(enrolled=enrolled, failed=failed)


def _warned_again(said: Warned, subject: str | None) -> models.EnrolmentWarning:
    """A warning of then, about whoever has that id by now; about nobody where they are gone."""
    if subject is not None:
        return models.EnrolmentWarning(**EnrolmentWarning(said.kind, subject, said.score, said.threshold).as_dict())
    message = f"was about somebody who is enrolled no more (score {said.score:.3f}, threshold {said.threshold:.3f})"
    return models.EnrolmentWarning(
        kind=said.kind, subject=None, score=said.score, threshold=said.threshold, message=message
    )
