"""Enrolment by a request: photos looked at in shared passes, each in a transaction of its own, once for each key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial

from app import in_use
from app.access import Role
from app.api import models
from app.api.idempotency import Outcome, fingerprint
from app.api.problems import TABLE
from app.api.state import State
from app.outcomes import Enrolment
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
    """

    subject: str
    face: int | None
    consent: NewConsent | None


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
        return _again(subject, photos, before)
    kept = False
    try:
        rows = _enrol(state, services, subject, asked, photos)
        if any(row.sample_id for row in rows):
            state.requests.finish(actor, key, [_outcome(row) for row in rows])
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
        act = partial(services.enrol_faces, subject, face=asked.face, consent=asked.consent)
        rows.append(in_use.retried(services, faces, photo, act, partial(_not_enrolled, subject, photo.name)))
    return rows


def _not_enrolled(subject: str, photo: str, error: PhotoError) -> Enrolment:
    return Enrolment(subject, photo, error=error)


def _outcome(row: Enrolment) -> Outcome:
    return Outcome(row.sample_id, row.already, row.error.code if row.error else None)


def _answer(subject: str, rows: Sequence[Enrolment]) -> models.Enrolment:
    errors: list[KnownfaceError] = [row.error for row in rows if row.error is not None]
    if len(errors) == len(rows):
        raise errors[0]
    enrolled = [
        models.Enrolled(subject=subject, photo=row.photo, sample_id=row.sample_id, already=row.already)
        for row in rows
        if row.sample_id is not None
    ]
    failed = [
        models.Failed(photo=row.photo, error=row.error.code, message=row.error.message) for row in rows if row.error
    ]
    return models.Enrolment(enrolled=enrolled, failed=failed)


def _again(subject: str, photos: Sequence[Upload], before: Sequence[Outcome]) -> models.Enrolment:
    """The answer of then: the names come from this request, which says the same; of an error stands its title."""
    pairs = list(zip(photos, before, strict=True))
    enrolled = [
        models.Enrolled(subject=subject, photo=photo.name, sample_id=one.sample_id, already=one.already)
        for photo, one in pairs
        if one.sample_id is not None
    ]
    failed = [
        models.Failed(photo=photo.name, error=one.error, message=f"{photo.name}: {TABLE[one.error][1].lower()}")
        for photo, one in pairs
        if one.error is not None
    ]
    return models.Enrolment(enrolled=enrolled, failed=failed)
