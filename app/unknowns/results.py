"""Result files of runs, once more after somebody was named, merged or split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.runs.output.again import rewrite
from app.unknowns.clustering import runs_of_registry
from app.unknowns.registry import Registry
from pipeline.errors import RunError

if TYPE_CHECKING:
    from app.services import Services


def write_again(services: Services, registry: Registry) -> tuple[list[Path], list[RunError]]:
    """Writes the results of the runs again where they were written before.

    Returns:
        The files, and why those of a run could not be written: what was said of the faces holds all the same.
    """
    written: list[Path] = []
    errors: list[RunError] = []
    for run in runs_of_registry(services, registry):
        try:
            written += rewrite(run, services.gallery.picture)
        except RunError as error:
            errors.append(error)
    return written, errors
