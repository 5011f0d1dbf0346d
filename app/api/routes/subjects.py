"""Subjects and their samples: create, list, show, rename, merge, delete, erase."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, Header, Query, Security, UploadFile
from starlette.responses import Response

from app.access import Role
from app.api import enrolling, models
from app.api.acting import BEARER, Acting, Shared, cursor_of, read_cursor
from app.api.forms import PhotoRoute, uploads
from app.api.models.base import Line, Moment
from app.api.problems import documented
from app.api.routes.names import SubjectName as Name
from app.api.routes.pictures import PICTURE_PNG
from pipeline.errors import SubjectNotFoundError

router = APIRouter(prefix="/v1/subjects", tags=["subjects"], dependencies=[Security(BEARER)], route_class=PhotoRoute)


@router.get("")
def list_subjects(
    services: Acting,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    search: Annotated[str | None, Query(max_length=200, description="Only names that contain it.")] = None,
) -> models.Subjects:
    """Who is enrolled, by name."""
    found = services.gallery.subjects(limit=limit + 1, search=search, after=read_cursor(cursor))
    page = found[:limit]
    rows = [models.Subject(subject=one.name, samples=one.samples, created=one.created) for one in page]
    return models.Subjects(subjects=rows, next=cursor_of(page[-1].name) if len(found) > limit else None)


@router.get("/{name}", responses=documented(404))
def show_subject(services: Acting, name: Name) -> models.SubjectDetail:
    """One subject and its samples."""
    detail = services.gallery.subject(name)
    samples = [
        models.Sample(
            id=one.id,
            photo=one.source,
            photo_sha256=one.photo_sha256,
            image_hw=one.image_hw,
            box=one.box,
            landmarks=one.landmarks.tolist(),
            confidence=one.confidence,
            quality=one.quality,
            created=one.created,
            has_template=one.has_template,
        )
        for one in detail.samples
    ]
    return models.SubjectDetail(subject=detail.info.name, created=detail.info.created, samples=samples)


@router.post("/{name}/samples", status_code=201, responses={**documented(404, 409), 200: {"model": models.Enrolment}})
def enrol(
    response: Response,
    state: Shared,
    services: Acting,
    name: Name,
    photos: Annotated[list[UploadFile], File(min_length=1, description="Photos that show one face each.")],
    face: Annotated[int | None, Form(ge=1, le=1000, description="Which face; 1 is the most prominent.")] = None,
    consent_purpose: Annotated[Line | None, Form(description="Record a consent for this.")] = None,
    consent_until: Annotated[Moment | None, Form(description="When that consent ends.")] = None,
    consent_basis: Annotated[Line, Form(description="The legal basis.")] = "consent",
    consent_text_version: Annotated[Line | None, Form(description="Which wording was agreed to.")] = None,
    consent_evidence: Annotated[Line | None, Form(description="Where the signed paper is.")] = None,
    consent_given_by: Annotated[Line | None, Form(description="Who agreed, where it is not the subject.")] = None,
    refuse_lookalikes: Annotated[
        bool, Form(description="Refuse a photo that looks most like somebody else, where a warning is the rule.")
    ] = False,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=200, description="The same request under the same key enrols once; a day."),
    ] = None,
) -> models.Enrolment:
    """Enrol photos of one subject, who need not be there yet.

    201 where something is new, 200 where all was there before. Each photo is a transaction of its own; one that cannot
    be used is in `failed`, and where none can be used the answer is the first one's error. One that looks like somebody
    else who is enrolled, or unlike the subject's other photos, is enrolled with `warnings`.
    """
    more = consent_basis, consent_text_version, consent_evidence, consent_given_by
    consent = enrolling.consent_of(consent_purpose, consent_until, *more)
    asked = enrolling.Asked(name, face, consent, refuse_lookalikes)
    done = enrolling.enrol(state, services, asked, uploads(photos, state.limits.photos), idempotency_key)
    response.status_code = 201 if any(not one.already for one in done.enrolled) else 200
    return done


@router.get("/{name}/picture", response_class=Response, responses={**documented(404), 200: PICTURE_PNG})
def show_picture(services: Acting, name: Name) -> Response:
    """The aligned face (PNG) of the oldest sample whose picture is kept (setting `keep_crops`)."""
    gallery = services.gallery
    known = gallery.subject(name).info.name
    picture = gallery.picture(known)
    if picture is None:
        raise SubjectNotFoundError(f"{known}: no picture is kept (setting keep_crops)")
    return Response(picture, media_type="image/png")


@router.delete("/{name}/samples/{sample_id}", responses=documented(404, 409))
def delete_sample(services: Acting, name: Name, sample_id: str) -> models.Removed:
    """Erase one sample; with the last one the subject goes. For admins."""
    services.require(Role.ADMIN)
    if all(one.id != sample_id for one in services.gallery.subject(name).samples):
        raise SubjectNotFoundError(f"{name}: has no such sample")
    services.remove_sample(sample_id)
    return models.Removed(removed=name, samples=1)


@router.patch("/{name}", responses=documented(404, 409))
def rename(services: Acting, name: Name, new: models.NewName) -> models.SubjectDetail:
    """Give a subject another name."""
    services.rename(name, new.name)
    return show_subject(services, new.name)


@router.post("/{name}/merge", responses=documented(404, 409))
def merge(services: Acting, name: Name, target: models.Into) -> models.Moved:
    """Move every sample of a subject to another one."""
    return models.Moved(samples=services.merge(name, target.into))


@router.post("/{name}/split", status_code=201, responses=documented(404, 409))
def split(services: Acting, name: Name, apart: models.Apart) -> models.SubjectDetail:
    """Move samples of a subject that show somebody else to a new subject, who needs a consent as anybody new does."""
    services.require(Role.OPERATOR)
    if set(apart.samples) - {one.id for one in services.gallery.subject(name).samples}:
        raise SubjectNotFoundError(f"{name}: has not all of these samples")
    services.split(apart.samples, apart.name, apart.consent())
    return show_subject(services, apart.name)


@router.delete("/{name}", responses=documented(404, 409))
def remove(services: Acting, name: Name) -> models.Removed:
    """Remove a subject from the gallery. For admins. `POST .../erasure` looks through runs and caches too."""
    return models.Removed(removed=name, samples=services.remove(name))
