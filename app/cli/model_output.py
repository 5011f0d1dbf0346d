"""What `knownface models` shows: rows, the table, and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.cli.context import Context, printable

if TYPE_CHECKING:
    from pipeline.weights.files import Progress


def note_ignored(context: Context, ignored: Iterable[tuple[str, str]]) -> None:
    """A line for each file that was left out."""
    for file, reason in ignored:
        context.note(f"left out {file}: {reason}")


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
