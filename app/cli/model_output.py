"""What `knownface models` shows: rows, the table, and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.cli.context import Context, printable

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.weights import InstalledModel, StoreRow
    from pipeline.weights.files import Progress


def note_ignored(context: Context, ignored: Iterable[tuple[str, str]]) -> None:
    """A line for each file that was left out."""
    for file, reason in ignored:
        context.note(f"left out {file}: {reason}")


def model_row(row: StoreRow, stack: dict[str, str], settings: Settings) -> dict[str, Any]:
    """One model as it goes into JSON."""
    card, model = row.card, row.installed
    return {
        "name": card.name,
        "title": card.title,
        "task": card.task,
        "family": card.family,
        "pack": card.pack,
        "installed": model is not None,
        "in_use": card.name in stack.values(),
        "model_id": model.model_id if model else None,
        "size": row.size,
        "licence": card.licence.weights,
        "commercial_use": card.licence.commercial_use,
        "runtime": model.runtime.model_dump() if model and model.runtime else None,
        "precision": card.precision,
        "runs_on": runs_on(model, settings) if model and not card.members else None,
        "origin": model.origin if model else "",
        "problem": row.problem,
    }


def runs_on(model: InstalledModel, settings: Settings) -> str:
    """Runtime, provider and precision that a batch uses under these settings, e.g. `openvino/cpu fp32`."""
    from pipeline.tuned import read_tuned

    tuned = read_tuned(settings)
    runtime: str = settings.runtime
    if runtime == "auto" and settings.provider != "cpu":
        runtime = "onnxruntime"
    elif runtime == "auto":
        measured = model.runtime.runtime if model.runtime else "onnxruntime"
        runtime = tuned.runtimes.get(model.model_id, measured) if tuned else measured
    return f"{runtime}/{settings.provider} {model.card.precision}"


def print_table(context: Context, documents: list[dict[str, Any]]) -> None:
    """The models as a table on stdout."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("in use", "model", "task", "installed", "runtime", "commercial use", "licence of the weights"):
        table.add_column(column)
    for row in documents:
        cells = (
            "*" if row["in_use"] else "",
            row["name"],
            row["task"],
            row["problem"] or (megabytes(row["size"]) if row["installed"] else "-"),
            _running(row),
            "yes" if row["commercial_use"] else "no",
            row["licence"],
        )
        table.add_row(*(Text(printable(cell).replace("\n", "\\n")) for cell in cells))
    context.console().print(table)


def _running(row: dict[str, Any]) -> str:
    """What it runs on, and the milliseconds `models pull` measured there, if it did."""
    used = row["runs_on"] or "-"
    ms = (row["runtime"] or {"ms": {}})["ms"].get(used.split("/")[0]) if "/cpu" in used else None
    return f"{used}, {ms:.1f} ms" if ms else used


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:.1f} MB"


@contextmanager
def fetch_progress(context: Context) -> Iterator[Progress | None]:
    """A bar per file on a terminal, otherwise a line per file."""
    import sys

    if context.quiet:
        yield None
    elif sys.stderr.isatty():
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=context.console(stderr=True), transient=True) as bars:
            tasks: dict[str, Any] = {}

            def report(what: str, done: int, total: int | None) -> None:
                if what not in tasks:
                    tasks[what] = bars.add_task(what, total=total)
                bars.update(tasks[what], completed=done, total=total)

            yield report
    else:
        yield _lines(context.note)


def _lines(note: Callable[[str], None]) -> Progress:
    said: set[str] = set()

    def report(what: str, done: int, total: int | None) -> None:  # noqa: ARG001  no bar, no count
        if what not in said:
            said.add(what)
            note(f"fetching {what}" + (f" ({megabytes(total)})" if total else ""))

    return report
