"""`knownface identify`: a few photos at once, or a run over folders that can be interrupted and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import Context, cell
from app.cli.run_writing import Beside, How, Naming, SortHow, SortInto, SortUnknown, WriteXmp, XmpNaming

if TYPE_CHECKING:
    from rich.text import Text

    from app.services import Identification


class EngineName(StrEnum):
    """Who analyses the files of a run."""

    LOCAL = "local"
    RAY = "ray"


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command()(identify)


def identify(
    ctx: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Photos and videos, or folders of them.")],
    allow_repeats: Annotated[
        bool, typer.Option("--allow-repeats", help="Let one person be named more than once in a photo.")
    ] = False,
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="NAME", help="Keep a ledger; the same again does only the rest."),
    ] = None,
    replace_paths: Annotated[
        bool, typer.Option("--replace-paths", help="Let the run go of what these paths and patterns leave out.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the result into this folder.")] = None,
    formats: Annotated[
        str | None, typer.Option("--format", help="What to write, of csv,jsonl,parquet,html; by default all of them.")
    ] = None,
    assets: Annotated[
        bool, typer.Option("--assets", help="Put the report's pictures beside it (for tens of thousands of faces).")
    ] = False,
    include: Annotated[
        list[str] | None, typer.Option("--include", metavar="GLOB", help="Of the folders only what fits; repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Leave out what fits; repeatable.")
    ] = None,
    sort_into: SortInto = None,
    sort_how: How = SortHow.SYMLINK,
    sort_unknown: SortUnknown = False,
    write_xmp: WriteXmp = False,
    xmp_naming: Naming = XmpNaming.FULL,
    engine: Annotated[
        EngineName, typer.Option("--engine", help="Who analyses: this process, or Ray's workers (RAY_ADDRESS).")
    ] = EngineName.LOCAL,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with what the folders receive, until Ctrl-C.")] = False,
) -> None:
    """Name the faces in photos and videos: a row per face or appearance, and one per file that could not be used."""
    context: Context = ctx.obj
    if not all(paths):
        raise typer.BadParameter("a path is empty")
    if replace_paths and run is None:
        raise typer.BadParameter("--replace-paths is about a run that is kept: name it with --run")
    beside = Beside(sort_into, sort_how, sort_unknown, write_xmp, xmp_naming)
    options = (run, out, formats, assets, include, exclude, watch, sort_into, write_xmp, engine is EngineName.RAY)
    beside.check()
    if any(option not in (None, False, []) for option in options):
        from app.cli.identify_run import Wanted, identify_run

        chosen = (tuple(include or ()), tuple(exclude or ()))
        wanted = Wanted(run, out, formats, assets, *chosen, watch, allow_repeats, beside, engine.value, replace_paths)
        identify_run(context, paths, wanted)
    else:
        _identify(context, paths, allow_repeats=allow_repeats)


def _identify(context: Context, paths: list[str], *, allow_repeats: bool) -> None:
    photos = list(_photos(paths))
    from app.photos import unfollowed_links
    from app.results import identification_rows

    if not photos:
        links = "".join(map(unfollowed_links, map(Path, paths)))
        context.note(f"no photos were found there{links}")
    faces: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    rows: list[Identification] = []
    context.note_no_gallery()
    with closing(context.services(reading=True)) as services:
        if not len(services.gallery):
            context.note(
                "nobody is enrolled in this gallery, so every face is unknown: knownface enrol SUBJECT PHOTO..."
            )
        else:
            for note in filter(None, (services.stages_note(), services.score_note())):
                context.note(note)
        for row in context.progress(
            services.identify(photos, allow_repeats=allow_repeats or None), len(photos), "identifying"
        ):
            documents, error = identification_rows(row)
            faces += documents
            for document in documents:
                context.emit_line(document)
            if error:
                errors.append(error)
                context.emit_line(error)
            if not context.machine:
                rows.append(row)
        runtime = services.recognizer.runtimes
    if context.json:
        context.emit({"faces": faces, "errors": errors, "runtime": runtime})
    elif not context.json_lines:
        print_identifications(context, rows)
    if any(error["error"] != "no_face" for error in errors):
        raise typer.Exit(3)


def _photos(paths: list[str]) -> Iterator[Path]:
    from app.photos import is_folder, photos_in

    for path in map(Path, paths):
        if is_folder(path):
            yield from photos_in(path, videos=True)
        else:
            yield path


def print_identifications(context: Context, rows: list[Identification]) -> None:
    """The table people read."""
    from rich.table import Table

    shown = _short_names([row.photo for row in rows])
    table = Table(box=None, pad_edge=False)
    for column in ("photo", "face", "who", "best", "threshold", "next best"):
        table.add_column(column, overflow="fold")
    for row in rows:
        if row.error:
            table.add_row(cell(shown[row.photo]), "", cell(row.error.code), "", "", "")
        for number, decision in enumerate(row.decisions, 1):
            table.add_row(
                cell(shown[row.photo]),
                f"{number}{_span(row, number)}",
                cell(decision.subject or f"({decision.kind})"),
                _scored(decision.best),
                "" if decision.threshold is None else f"{decision.threshold:.3f}",
                _scored(decision.runner_up),
            )
    context.console().print(table)
    for row in rows:
        if row.error:
            context.note(row.error.message)


def _span(row: Identification, number: int) -> str:
    """When an appearance in a video begins and ends, in minutes and seconds."""
    if row.appearances is None:
        return ""
    return "  " + "-".join(f"{time // 60:.0f}:{time % 60:04.1f}" for time in row.appearances.spans[number - 1])


def _scored(subject: tuple[str, float] | None) -> Text:
    return cell(f"{subject[0]} {subject[1]:.3f}" if subject else "")


def _short_names(photos: list[str]) -> dict[str, str]:
    """Each photo by its path below the folder that all have in common."""
    import os

    if not photos:
        return {}
    common = os.path.commonpath([str(Path(photo).absolute().parent) for photo in photos])
    if common == Path(common).anchor:
        return {photo: photo for photo in photos}
    return {photo: os.path.relpath(Path(photo).absolute(), common) for photo in photos}
