"""The one entry to a run's result files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from app.runs.output.files import folder_for
from app.runs.output.report_data import Portraits
from app.runs.output.source import Results

Format = Literal["csv", "jsonl", "parquet", "html"]
FORMATS: tuple[Format, ...] = get_args(Format)


def file_name(kind: Format) -> str:
    """What the file of a format is called."""
    return "report.html" if kind == "html" else f"results.{kind}"


def write_results(
    run: Results,
    out: Path,
    formats: Iterable[Format] = FORMATS,
    *,
    assets: bool = False,
    portraits: Portraits | None = None,
) -> list[Path]:
    """Writes `results.csv`, `results.jsonl`, `results.parquet` and `report.html`; those that are there are replaced.

    Each file is written under another name and renamed once it is whole, and only its owner may read it. The same run
    gives the same bytes.

    Args:
        run: What to write.
        out: The folder; it is made if need be.
        formats: Which of them.
        assets: The report's pictures go beside it (`report-files/`) instead of into it.
        portraits: Pictures of enrolled people, for candidates that the run has no face of.

    Returns:
        The files, in the order of FORMATS.

    Raises:
        ResultsError: Something cannot be written.
        RunDamagedError: The run cannot be read.
    """
    from app.runs.output import html, tables

    folder_for(out)
    wanted, written = set(formats), []
    for kind in FORMATS:
        if kind not in wanted:
            continue
        file = out / file_name(kind)
        if kind == "html":
            html.write_html(run, file, assets=assets, portraits=portraits)
        else:
            {"csv": tables.write_csv, "jsonl": tables.write_jsonl, "parquet": tables.write_parquet}[kind](run, file)
        written.append(file)
    return written
