"""Files that are too large for a page's memory, made when they are asked for: results of runs, and backups.

They are written to a folder of their own, sent from there, and erased. Only this site's own pages may ask for them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.runs import Run
from app.web import gate, state
from pipeline.errors import KnownfaceError, NoOperatingPointError, NotAllowedError, RunBusyError

if TYPE_CHECKING:
    from app.services import Services
    from app.web.guard import Guard

_PLAIN = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    # a report's scripts run, but not as this site: whatever stands in it, it reaches no page and no session
    "Content-Security-Policy": "sandbox allow-scripts allow-downloads; frame-ancestors 'none'",
}
Make = Callable[["Services", Path], Path]


def routes(guard: Guard) -> list[Route]:
    """The addresses that the pages link to.

    Args:
        guard: Who knows the sessions.
    """
    shelf = Shelf(guard)
    return [
        Route("/files/run/{name}/report.html", shelf.report, methods=["GET"]),
        Route("/files/run/{name}/results.csv", shelf.table, methods=["GET"]),
        Route("/files/backup", shelf.backup, methods=["GET"]),
    ]


class Shelf:
    """Answers the requests. Starlette runs these methods in threads."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def report(self, request: Request) -> Response:
        """A run's report, to be looked at."""
        name = request.path_params["name"]
        return self._send(request, lambda service, folder: _results(service, name, folder, "html"), "text/html")

    def table(self, request: Request) -> Response:
        """A run's table, to be kept."""
        name = request.path_params["name"]
        made = f"{name}.csv"
        return self._send(request, lambda service, folder: _results(service, name, folder, "csv"), "text/csv", made)

    def backup(self, request: Request) -> Response:
        """A backup of the gallery, to be kept."""
        made = f"knownface-{datetime.now(UTC):%Y-%m-%d}.sqlite3"
        return self._send(request, _backup, "application/vnd.sqlite3", made)

    def _send(self, request: Request, make: Make, media_type: str, kept_as: str | None = None) -> Response:
        actor = self._guard.actor(request.cookies.get(self._guard.cookie))
        if actor is None or not gate.host_allowed(request) or not gate.same_site(request):
            return PlainTextResponse("Forbidden", 403)
        folder: Path | None = None
        try:
            service = state.shared().acting_as(actor)
            folder = Path(tempfile.mkdtemp(prefix=".files-", dir=service.settings.home))  # only its owner enters it
            file = make(service, folder)
        except (KnownfaceError, OSError) as error:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            message = error.message if isinstance(error, KnownfaceError) else f"{error.strerror or error}"
            code = 403 if isinstance(error, NotAllowedError) else 409
            return PlainTextResponse(message, code, headers=_PLAIN)
        done = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
        return FileResponse(file, media_type=media_type, filename=kept_as, headers=_PLAIN, background=done)


def _results(service: Services, name: str, folder: Path, kind: str) -> Path:
    """A run's result by the people who are enrolled now; as `knownface runs report`."""
    from app.runs.output import write_results
    from app.unknowns import assign_clusters

    run = Run.open(service.settings.home, name, service.file_keys)
    if run.is_busy():
        raise RunBusyError(f"the run {name} is under way: its result is there when it is finished")
    run.decide(service)
    with suppress(NoOperatingPointError):  # nothing says who is alike: the faces stay by themselves
        assign_clusters(run, service)
    portraits = service.gallery.picture
    (file,) = write_results(run, folder, ("html",) if kind == "html" else ("csv",), portraits=portraits)
    service.gallery.record("export", detail={"run": kind})
    return file


def _backup(service: Services, folder: Path) -> Path:
    file = folder / "backup.sqlite3"
    service.backup(file)
    return file
