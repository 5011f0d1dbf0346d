"""The FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api import problems
from app.api.gate import Gate
from app.api.problems import RefusedError
from app.api.routes import audit, challenges, recognition, rights, runs, subjects, switching, system, unknowns, upkeep
from app.api.state import State
from app.api.watch import Watch
from pipeline.errors import KnownfaceError
from pipeline.version import __version__

_ABOUT = (
    "Face recognition that says how sure it is: enrol, verify and identify. Errors are problem documents (RFC 9457); "
    "`error` is the code that the command line writes too."
)


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document; an error is a problem document and nothing else."""
        made = super().openapi()
        for operations in made["paths"].values():
            for operation in operations.values():
                for answer in operation["responses"].values():
                    if problems.MEDIA_TYPE in answer.get("content", {}):
                        answer["content"].pop("application/json", None)
        return made


def make_app(state: State) -> FastAPI:
    """The application of one server; `state` is closed when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(state.close)

    app = _Application(
        title="Knownface",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # both pages would fetch their scripts from another site
        redoc_url=None,
        responses=problems.documented(*problems.ALWAYS),
    )
    app.state.server = state
    for part in (system, subjects, rights, recognition, challenges, unknowns, runs, upkeep, switching, audit):
        app.include_router(part.router)
    app.add_middleware(Gate, state=state)
    app.add_middleware(Watch, state=state)  # outermost: added last
    app.add_exception_handler(KnownfaceError, _named)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


def _named(request: Request, error: Any) -> Response:
    return problems.of_error(error, problems.request_id_of(request))


def _refused(request: Request, error: Any) -> Response:
    return problems.answer(error.code, error.detail, problems.request_id_of(request), error.retry_s)


def _of_framework(request: Request, error: Any) -> Response:
    """What Starlette or FastAPI refuse: a body of ours that was refused while it was read comes wrapped."""
    if isinstance(error.__cause__, RefusedError):
        return _refused(request, error.__cause__)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "body_unreadable")
    made = problems.answer(code, str(error.detail), problems.request_id_of(request))
    made.headers.update(error.headers or {})
    return made


def _invalid(request: Request, error: Any) -> Response:
    """What does not validate: where and why, and never the value, which may be anything."""
    found = [{"where": ".".join(str(part) for part in one["loc"]), "what": one["msg"]} for one in error.errors()]
    first = f"{found[0]['where']}: {found[0]['what']}" if found else "the request is not valid"
    more: dict[str, Any] = {"problems": found}
    return problems.answer("request_invalid", first, problems.request_id_of(request), None, **more)
