"""`knownface runs ...`: the ledgers that `identify --run` keeps."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import Context, cell
from app.cli.run_writing import (
    Beside,
    How,
    Naming,
    SortHow,
    SortInto,
    SortUnknown,
    WriteXmp,
    XmpNaming,
    write_beside,
)
from pipeline.counting import counted
from pipeline.errors import NoOperatingPointError

if TYPE_CHECKING:
    from app.runs import Run

app = typer.Typer(help="The runs that `identify --run` keeps: list, show, report, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the run.")]


@app.command("list")
def list_runs(ctx: typer.Context) -> None:
    """List the runs and how far each is."""
    from app.runs import runs_of

    context: Context = ctx.obj
    found = [run.progress() for run in runs_of(context.settings.home)]
    for progress in found:
        context.emit_line(progress)
    if context.json:
        context.emit({"runs": found})
    elif not context.machine and not found:
        context.note("there are no runs yet: knownface identify PATH... --run NAME")
    elif not context.machine:
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for column in ("run", "state", "files", "done", "failed", "faces", "started"):
            table.add_column(column, justify="left" if column in ("run", "state", "started") else "right")
        for one in found:
            figures = (f"{one[key]:,}" for key in ("total", "done", "failed", "faces"))
            table.add_row(cell(one["run"]), one["state"], *figures, one["started"] or "")
        context.console().print(table)


@app.command()
def show(ctx: typer.Context, name: Name) -> None:
    """Show what came of a run, or how far it is."""
    from app.cli.run_report import show_run
    from app.runs import Run

    context: Context = ctx.obj
    run = Run.open(context.settings.home, name, context.file_keys)
    progress, summary = run.progress(), run.summary()
    if context.machine:
        context.emit({**progress, "roots": _roots(run), "summary": summary})
        return
    context.say(f"{name}: {progress['state']}, {progress['done']:,} of {counted(progress['total'], 'file')}")
    show_run(context, run, summary, [])


def _roots(run: Run) -> list[str]:
    """What the run was over; nothing where photos were brought along, which lay in its own folder meanwhile."""
    own = str(run.folder.absolute())
    return [root for root in run.meta().get("roots", []) if not root.startswith(own)]


@app.command()
def report(
    ctx: typer.Context,
    name: Name,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the result into this folder.")] = None,
    formats: Annotated[
        str | None, typer.Option("--format", help="What to write, of csv,jsonl,parquet,html; by default all of them.")
    ] = None,
    assets: Annotated[bool, typer.Option("--assets", help="Put the report's pictures beside it.")] = False,
    sort_into: SortInto = None,
    sort_how: How = SortHow.SYMLINK,
    sort_unknown: SortUnknown = False,
    write_xmp: WriteXmp = False,
    xmp_naming: Naming = XmpNaming.FULL,
) -> None:
    """Write a run's result again, by the people enrolled now; no photo is decoded."""
    from app.cli.identify_run import wanted_formats
    from app.runs import Run
    from app.runs.output.again import write_and_note
    from app.unknowns import assign_clusters

    context: Context = ctx.obj
    beside = Beside(sort_into, sort_how, sort_unknown, write_xmp, xmp_naming)
    beside.check()
    if out is None and sort_into is None and not write_xmp:
        raise typer.BadParameter("nothing is to be written: give --out DIR, --sort-into DIR or --write-xmp")
    chosen = wanted_formats(formats, out)
    run = Run.open(context.settings.home, name, context.file_keys)
    with closing(context.services(reading=True)) as services:
        decided = run.decide(services)
        try:
            assign_clusters(run, services)
        except NoOperatingPointError as error:
            context.note(error.message)
        context.note(f"decided anew: {counted(decided, 'face')}")
        lent = services.gallery.picture
        written = [] if out is None else write_and_note(run, out, chosen, assets=assets, portraits=lent)
        if out is not None and not services.gallery.read_only:
            services.gallery.record("export", detail={"run": "report"})
        for file in written:
            if not context.machine:
                context.say(f"written: {file}")
        document, failed = write_beside(context, run, beside, services.settings.max_bytes)
    if context.machine:
        context.emit({"run": name, "decided": decided, "written": [str(file) for file in written]} | document)
    if failed:
        raise typer.Exit(3)


@app.command()
def remove(
    ctx: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; only a terminal is asked anyway.")] = False,
) -> None:
    """Erase a run with its templates and pictures; neither photos nor written results are touched."""
    from app.runs import Run

    context: Context = ctx.obj
    run = Run.open(context.settings.home, name)
    if context.may_ask and not yes:
        context.confirm(f"erase the run {name}, {counted(run.progress()['faces'], 'face')}?")
    with closing(context.services(reading=True)) as services:
        services.remove_run(name)
    if context.machine:
        context.emit({"removed": name})
    else:
        context.say(f"removed: {name}")
