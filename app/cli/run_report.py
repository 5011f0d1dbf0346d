"""A run in words: what people read when it is finished, and when they ask for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.context import Context, cell
from app.runs.output.source import unused
from app.runs.place import brought_names
from app.runs.records import FaceRow, Run
from pipeline.counting import counted

if TYPE_CHECKING:
    from rich.text import Text

_FACES = 200  # shown one by one; for more there are files
_FAILURES = 20


def show_run(context: Context, run: Run, summary: dict[str, Any], written: Sequence[Path]) -> None:
    """Prints counts, who was found, and what could not be used."""
    if not written and summary["faces"] <= _FACES:
        _show_faces(context, run)
    decisions = summary["decisions"]
    named, people = decisions.get("match", 0), summary["subjects"]
    others = ", ".join(f"{count:,} {kind}" for kind, count in decisions.items() if kind != "match")
    context.say(
        f"{counted(summary['files'], 'file')}, {counted(summary['faces'], 'face')}: {named:,} named "
        f"({counted(people, 'person', 'people')})" + (f", {others}" if others else "")
    )
    if said := _without(run):
        context.say(said)
    if written or summary["faces"] > _FACES:
        _show_people(context, run)
    for file in written:
        context.say(f"written: {file}")
    _show_failures(context, run, summary["failed"])


def _without(run: Run) -> str:
    """The files that the report lists as without a result: more than those that failed."""
    codes = Counter(code for _, code, _ in unused(run))
    failed, faceless = codes.total() - codes["no_face"], codes["no_face"]
    parts = (f"{failed:,} failed" if failed else "", f"{faceless:,} without a face" if faceless else "")
    return f"{counted(codes.total(), 'file')} without a result: {', '.join(filter(None, parts))}" if codes else ""


def _show_faces(context: Context, run: Run) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("photo", "face", "who", "best", "threshold", "next best"):
        table.add_column(column, overflow="fold")
    named = brought_names(run.folder)
    for face in run.faces():
        for path in (face.photo, *face.other_paths):
            threshold = "" if face.threshold is None else f"{face.threshold:.3f}"
            who = cell(face.subject or f"({face.decision})")
            table.add_row(cell(named(path)), _number(face), who, _scored(face.best), threshold, _scored(face.runner_up))
    if table.row_count:
        context.console().print(table)


def _number(face: FaceRow) -> str:
    return str(face.number) if face.start_s is None else f"{face.start_s:.1f}-{face.end_s:.1f} s"


def _scored(subject: tuple[str, float] | None) -> Text:
    return cell(f"{subject[0]} {subject[1]:.3f}" if subject else "")


def _show_people(context: Context, run: Run) -> None:
    from rich.table import Table

    counts = Counter(face.subject for face in run.faces() if face.subject is not None)
    table = Table(box=None, pad_edge=False)
    table.add_column("who", overflow="fold")
    table.add_column("faces", justify="right")
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(cell(name), f"{count:,}")
    if counts:
        context.console().print(table)


def _show_failures(context: Context, run: Run, failed: int) -> None:
    shown, named = 0, brought_names(run.folder)
    for file in run.files() if failed else ():
        if file.state == "failed" and shown < _FAILURES:
            context.note(named(file.message or file.path))
            shown += 1
    if failed > shown:
        context.note(f"and {counted(failed - shown, 'more file')} that could not be used")
