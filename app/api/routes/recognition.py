"""Verify a pair, identify the faces of photos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Security, UploadFile

from app import in_use
from app.api import models
from app.api.acting import BEARER, Acting, Shared
from app.api.forms import PhotoRoute, uploads
from app.api.problems import documented
from app.outcomes import Identification
from app.results import identification_rows
from pipeline.errors import ModelSwitchedError, PhotoError

router = APIRouter(prefix="/v1", tags=["recognition"], dependencies=[Security(BEARER)], route_class=PhotoRoute)
Number = Annotated[int | None, Form(ge=1, le=1000, description="Which face; 1 is the most prominent.")]


@router.post("/verify", responses=documented(409))
def verify(
    state: Shared,
    services: Acting,
    a: Annotated[UploadFile, File(description="A photo.")],
    b: Annotated[UploadFile, File(description="Another photo.")],
    face_a: Number = None,
    face_b: Number = None,
) -> models.Verified:
    """Whether two photos show the same person."""
    photos = uploads([a, b], 2)
    while True:
        both = []
        for faces in state.look(photos):
            if isinstance(faces, PhotoError):
                raise faces
            both.append(faces)
        try:
            result = services.verify_faces(both[0], both[1], face_a=face_a, face_b=face_b)
        except ModelSwitchedError:  # the gallery went over to another model meanwhile: look again
            continue
        break
    said = result.decision
    state.measures.decided("verify", said.kind)
    return models.Verified(
        decision=said.kind,
        score=said.score,
        threshold=said.threshold,
        model_id=said.model_id,
        reason=said.reason,
        probability=said.probability,
        log_likelihood_ratio=said.log_ratio,
        operating_point=said.origin,
        faces_in_a=result.faces_in_a,
        faces_in_b=result.faces_in_b,
    )


@router.post("/identify", responses=documented(409))
def identify(
    state: Shared,
    services: Acting,
    photos: Annotated[list[UploadFile], File(min_length=1, description="Photos with any number of faces.")],
    allow_repeats: Annotated[
        bool | None, Form(description="Name one person more than once in a photo; else as the settings say.")
    ] = None,
) -> models.Identified:
    """Who is in photos: a row per face, with score, runner-up and reason; an error row for one that cannot be used."""
    brought = uploads(photos, state.limits.photos)
    faces: list[models.Face] = []
    errors: list[models.Failed] = []
    for photo, seen in zip(brought, state.look(brought), strict=True):
        if isinstance(seen, PhotoError):
            row = Identification(photo.name, error=seen)
        else:
            row = in_use.retried(
                services,
                seen,
                photo,
                lambda found: services.identify_faces(found, allow_repeats=allow_repeats),
                lambda error: Identification("", error=error),
            )
        for decision in row.decisions:
            state.measures.decided("identify", decision.kind)
        documents, error = identification_rows(replace(row, photo=photo.name))
        faces += [models.Face(**one, **more) for one, more in zip(documents, _details(row), strict=True)]
        errors += [models.Failed(**error)] if error else []
    return models.Identified(faces=faces, errors=errors)


def _details(row: Identification) -> Iterator[dict[str, Any]]:
    """What a program is told of each face besides what the command line prints."""
    if row.detections is None:
        return
    found = row.detections
    for number, decision in enumerate(row.decisions):
        yield {
            "model_id": decision.model_id,
            "probability": decision.probability,
            "log_likelihood_ratio": decision.log_ratio,
            "confidence": float(found.confidences[number]),
            "landmarks": found.landmarks[number].tolist(),
            "image_hw": found.image_hw,
        }
