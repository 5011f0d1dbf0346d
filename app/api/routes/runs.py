"""Runs over a folder or a zip: started as processes of their own, followed as server-sent events, read when done."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Security
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from app import batch
from app.access import Role
from app.api import models
from app.api.acting import BEARER, Acting, Shared
from app.api.problems import RefusedError, documented
from app.api.routes.pictures import PICTURE_JPEG
from app.api.state import State
from app.api.zips import photos_of, received
from app.runs import Run
from app.runs.documents import told_documents
from app.runs.place import run_folder
from pipeline.errors import RunNotFoundError

router = APIRouter(prefix="/v1/runs", tags=["runs"], dependencies=[Security(BEARER)])
Name = Annotated[str, Path(description="Of the run.", examples=["summer"], max_length=200)]
_ASK_S, _BEAT_S, _KNOWN_S = 0.5, 15.0, 10.0
_ENDED = {"finished", "stopped", "failed"}
_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_RUN = {"type": "string", "contentMediaType": "application/json", "description": "As `GET /v1/runs/{name}`."}
_EVENT: dict[str, Any] = {
    "description": "One event.",
    "type": "object",
    "properties": {"event": {"const": "progress"}, "data": _RUN},
    "required": ["event", "data"],
}


@router.get("")
def list_runs(services: Acting) -> models.Runs:
    """Every run, the newest first; those that were started elsewhere too."""
    return models.Runs(runs=[_shown(one) for one in batch.batches(services.settings.home)])


@router.post("", status_code=202, responses=documented(404, 409))
def start_folder(state: Shared, services: Acting, new: models.NewRun) -> models.Started:
    """Start a run over a folder of the server, or go on with it; `batch_folders` of the settings says which."""
    batch.start_folder(services, new.name, new.folder, state.config)
    return models.Started(name=new.name, photos=None)


@router.post(
    "/{name}/zip",
    status_code=202,
    responses=documented(404, 409, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def start_zip(request: Request, state: Shared, services: Acting, name: Name) -> models.Started:
    """Start a new run over the photos of a zip, which is the body. They are thrown away when the run ends."""
    services.require(Role.OPERATOR)
    run_folder(services.settings.home, name)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/zip":
        raise RefusedError("body_unreadable", "send the zip itself, as application/zip")
    if not _ONE_ZIP.acquire(blocking=False):
        raise RefusedError("overloaded", "another zip is on its way: try again", 5.0)
    try:
        async with received(request, services.settings.home) as file:
            photos = await run_in_threadpool(photos_of, file, services.settings.max_bytes)
            count = await run_in_threadpool(
                lambda: batch.start_brought(services, name, photos, keep=False, config=state.config)
            )
    finally:
        _ONE_ZIP.release()
    return models.Started(name=name, photos=count)


_ONE_ZIP = threading.Lock()


@router.get("/{name}", responses=documented(404))
def show_run(services: Acting, name: Name) -> models.Run:
    """How far a run is."""
    return _shown(_found(services.settings.home, name))


@router.get(
    "/{name}/events",
    responses={
        **documented(404),
        200: {"content": {"text/event-stream": {"schema": _EVENT}}, "description": "Events."},
    },
    response_class=StreamingResponse,
)
async def follow(request: Request, state: Shared, services: Acting, name: Name) -> StreamingResponse:
    """How far a run is, whenever that changes, as server-sent events; ends with the run, and with the caller's key."""
    caller = request.scope.get("key_id", "")
    if state.followers.total() >= state.limits.followers or state.followers[caller] >= state.limits.followers_each:
        raise RefusedError("overloaded", "too many follow runs: ask GET /v1/runs/{name} now and then instead", 30.0)
    first = await run_in_threadpool(_found, services.settings.home, name)
    events = _events(request, state, services.settings.home, name, first)
    return StreamingResponse(events, media_type="text/event-stream")


async def _events(request: Request, state: State, home: Any, name: str, now: batch.Batch | None) -> AsyncIterator[str]:
    caller, still = request.scope.get("key_id", ""), request.scope.get("still")
    said, beat = "", time.monotonic()
    known = beat
    state.followers[caller] += 1
    try:
        while now is not None and not state.stopping.is_set():
            text = _shown(now).model_dump_json()
            if text != said:
                yield f"event: progress\ndata: {text}\n\n"
                said, beat = text, time.monotonic()
            if now.state in _ENDED:
                return
            if time.monotonic() - beat > _BEAT_S:  # a proxy closes what is silent
                yield ": still here\n\n"
                beat = time.monotonic()
            await asyncio.sleep(_ASK_S)
            if still is not None and time.monotonic() - known > _KNOWN_S:
                if not await still():
                    return
                known = time.monotonic()
            now = await run_in_threadpool(batch.batch_of, home, name)
    finally:
        state.followers[caller] -= 1
        state.followers += Counter()  # forgets who follows nothing


@router.get(
    "/{name}/results",
    responses={
        **documented(404, 409),
        200: {"content": {"application/x-ndjson": _TEXT}, "description": "A row per face, then per file without."},
    },
    response_class=StreamingResponse,
)
def results(services: Acting, name: Name) -> StreamingResponse:
    """Every face of a run as a line of JSON, as `identify --json-lines` writes it, then the files without a face."""
    run = Run.open(services.settings.home, name, services.file_keys)
    services.gallery.record("export", detail={"run": "jsonl"})
    return StreamingResponse(_lines(run), media_type="application/x-ndjson")


def _lines(run: Run) -> Iterator[str]:
    model_id = run.summary()["model_id"]
    for row in told_documents(run):
        yield json.dumps(row | {"model_id": model_id}) + "\n"


@router.get(
    "/{name}/faces/{face_id}/picture",
    response_class=Response,
    responses={**documented(404, 409), 200: PICTURE_JPEG},
)
def show_picture(
    services: Acting,
    name: Name,
    face_id: Annotated[str, Path(description="As the results say.", examples=["9f86d081884c7d65-1"], max_length=64)],
) -> Response:
    """The small picture (JPEG) of a face of a run."""
    return Response(
        Run.open(services.settings.home, name, services.file_keys).thumbnail(face_id), media_type="image/jpeg"
    )


@router.post("/{name}/stop", status_code=202, responses=documented(404))
def stop(services: Acting, name: Name) -> models.Run:
    """Ask a run to end; what is complete is kept."""
    home = services.settings.home
    _found(home, name)
    batch.stop(services, name)
    return _shown(_found(home, name))


@router.delete("/{name}", responses=documented(404, 409))
def remove(services: Acting, name: Name) -> models.NowRemoved:
    """Erase a run: its templates, pictures and names. For admins."""
    services.require(Role.ADMIN)
    _found(services.settings.home, name)
    batch.remove(services, name)
    return models.NowRemoved(removed=name)


def _found(home: Any, name: str) -> batch.Batch:
    run_folder(home, name)
    found = batch.batch_of(home, name)
    if found is None:
        raise RunNotFoundError(f"there is no run {name}")
    return found


def _shown(one: batch.Batch) -> models.Run:
    return models.Run(
        name=one.name,
        state=one.state,
        busy=one.busy,
        total=one.total,
        done=one.done,
        failed=one.failed,
        faces=one.faces,
        started=one.started,
        by=one.by,
        message=one.message,
    )
