"""Whether the server is there, whether it can answer, and what Prometheus reads."""

from __future__ import annotations

from fastapi import APIRouter, Security
from starlette.responses import Response

from app.api.acting import BEARER, Acting, Shared
from app.api.models import Health, Me, Ready

router = APIRouter(tags=["system"])


@router.get("/healthz")
def health() -> Health:
    """The server is there. Needs no key."""
    return Health(status="ok")


@router.get("/readyz")
def ready(state: Shared) -> Ready:
    """The networks are loaded, the gallery can be read and no end was announced. Needs no key."""
    from app.api.problems import RefusedError

    if state.stopping.is_set():
        raise RefusedError("overloaded", "the server is about to end", 5.0)
    services = state.services
    _ = len(services.gallery)
    return Ready(status="ready", model_id=services.recognizer.model_id)


@router.get("/v1/me", dependencies=[Security(BEARER)])
def who(services: Acting) -> Me:
    """Who asks, and what they may do."""
    actor = services.actor
    return Me(name=actor.name, role=actor.role.label)


@router.get(
    "/metrics",
    dependencies=[Security(BEARER)],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus's text."}},
)
def metrics(state: Shared) -> Response:
    """Counts and times, for Prometheus."""
    return Response(state.measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
