"""Who logged in and out goes into the gallery's audit log, beside what they changed."""

from __future__ import annotations

import logging

from app.access import Actor
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
