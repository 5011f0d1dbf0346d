"""A run's result files once more, where they were written before, after somebody was named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.runs import rows, schema
from app.runs.output.report_data import Portraits
from app.runs.output.write import FORMATS, Format, write_results
from app.runs.records import Run

_KEY = "results"


def remember(run: Run, out: Path, formats: Sequence[Format], *, assets: bool) -> None:
    """Notes in the ledger where a run's results were written, and how."""
    with run.connected() as connection, schema.transaction(connection):
        written = {"out": str(out.absolute()), "formats": list(formats), "assets": assets}
        rows.set_meta(connection, **{_KEY: written})


def is_written(run: Run) -> bool:
    """Whether its results were written, into a folder that is there."""
    noted = run.meta().get(_KEY)
    return noted is not None and Path(noted["out"]).is_dir()


def rewrite(run: Run, portraits: Portraits | None = None) -> list[Path]:
    """Writes them again; nothing where they never were, or where the folder is gone.

    Args:
        run: What to write.
        portraits: As in `write_results`, whose errors it has.
    """
    if not is_written(run):
        return []
    noted = run.meta()[_KEY]
    formats = [kind for kind in FORMATS if kind in noted["formats"]]
    return write_results(run, Path(noted["out"]), formats, assets=bool(noted["assets"]), portraits=portraits)
