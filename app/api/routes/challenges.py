"""Challenge and response on video: what to do, and whether a video shows that it was done."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, Path, Security, UploadFile

from app.api import models
from app.api.acting import BEARER, Acting, Shared
from app.api.forms import PhotoRoute, uploads
from app.api.problems import RefusedError, documented
from app.video.challenge import answer, new_for
from pipeline.challenge import instructions
from pipeline.extra import need

router = APIRouter(
    prefix="/v1/challenges", tags=["recognition"], dependencies=[Security(BEARER)], route_class=PhotoRoute
)
Id = Annotated[str, Path(description="Of the challenge.", max_length=64)]
Mirrored = Annotated[bool, Form(description="Left and right are exchanged, as some phones' front cameras do.")]


@router.post("", status_code=201, responses=documented(501))
def new_one(services: Acting) -> models.Challenge:
    """Ask for random movements of the head; they are answered once, here, within two minutes, by a video of them."""
    need("video", "av")
    made = new_for(services)
    return models.Challenge(id=made.nonce, steps=list(made.steps), say=instructions(made.steps), expires=made.expires)


@router.post("/{challenge}/video", responses=documented(409, 501))
def judge(
    state: Shared,
    services: Acting,
    challenge: Id,
    video: Annotated[UploadFile, File(description="Recorded after the challenge was made. It is not kept.")],
    mirrored: Mirrored = False,
) -> models.Answer:
    """Say whether a video follows a challenge, which is used up by it, and who does if anybody is enrolled."""
    if not state.videos.acquire(blocking=False):
        raise RefusedError("overloaded", "other videos are being judged: send it again", 5.0)
    try:
        (brought,) = uploads([video], 1)
        found = answer(services, challenge, brought, mirrored=mirrored)
    finally:
        state.videos.release()
    if found.decision is not None:
        state.measures.decided("challenge", found.decision.kind)
    return models.Answer(**found.as_dict())
