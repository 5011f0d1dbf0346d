"""Who logged in and out, and who was refused, goes into the gallery's audit log, beside what people changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from app.access import Actor
from app.refusals import Refusals
from app.web import state
from pipeline.errors import KnownfaceError

_LOG = logging.getLogger("knownface.web")


def note(actor: Actor, action: str) -> None:
    """Writes it down. Where that cannot be done the server's log says so: nobody is kept outside by it.

    Args:
        actor: Who.
        action: `login` or `logout`.
    """
    try:
        state.shared().acting_as(actor).gallery.record(action, detail={"role": actor.role.label})
    except KnownfaceError as error:
        _LOG.warning("a %s could not be written into the audit log: %s", action, error.code)


def refusals() -> Refusals:
    """Writes refused log-ins into the audit log."""

    def record(action: str, target: str, detail: Mapping[str, Any]) -> None:
        state.shared().gallery.record(action, target, detail)

    return Refusals(record)
