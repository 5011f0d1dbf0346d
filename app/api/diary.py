"""A line of JSON for each request, on stderr: what, how long, how it ended. No name, no address, no photo.

The address is written as the pattern that it fits (`/v1/subjects/{name}`), who asked as the id of the key. Of an error
that nobody foresaw stands its kind and where it was raised, and not its message, which may hold names.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

LOG = logging.getLogger("knownface.api")


class AsJson(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record; of an exception its kind and places only."""
        said: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        said |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            said |= unforeseen(record.exc_info[1])
        return json.dumps(said)


def unforeseen(error: BaseException) -> dict[str, Any]:
    """The kind of an error and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return {"error": type(error).__name__, "raised_at": [f"{f.filename}:{f.lineno} {f.name}" for f in frames]}


def config() -> dict[str, Any]:
    """The configuration of `logging` for the server: everything as JSON on stderr, no access log but our own."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "app.api.diary.AsJson"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "loggers": {
            "knownface.api": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "uvicorn.error": {"level": "INFO"},
            "uvicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
        },
    }
