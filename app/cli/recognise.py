"""`knownface enrol | verify | identify`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import Context, cell
from pipeline.errors import PhotoNotFoundError

if TYPE_CHECKING:
    from rich.text import Text

    from app.services import Enrolment, Identification


def register(app: typer.Typer) -> None:
    """Adds the three commands to the root."""
    app.command()(enrol)
    app.command()(verify)
    app.command()(identify)


def enrol(
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="SUBJECT PHOTO...", help="A name, then photos.")] = None,
    folder: Annotated[Path | None, typer.Option("--folder", help="Enrol DIR/SUBJECT/*.jpg, a folder a person.")] = None,
    face: Annotated[
        int | None,
        typer.Option("--face", min=1, help="Which face to take where there are several; 1 is the most prominent."),
    ] = None,
) -> None:
    """Enrol a person from photos, or a folder with a sub-folder per person."""
    context: Context = ctx.obj
    items = _enrolment_items(words or [], folder)
    services = context.services()
    enrolled: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    if note := services.stages_note():
        context.note(note)
    for row in context.progress(services.enrol_many(items, face=face), len(items), "enrolling"):
        document = _enrolment_row(row)
        (failed if row.error else enrolled).append(document)
        context.emit_line(document)
        if not context.machine:
            _show_enrolment(context, row)
    services.close()
    if context.json:
        context.emit({"enrolled": enrolled, "failed": failed})
    if failed:
        context.note(f"{len(enrolled)} enrolled, {len(failed)} failed")
        raise typer.Exit(3)


def _enrolment_items(words: list[str], folder: Path | None) -> list[tuple[str, str | Path]]:
    from app.photos import photos_in
    from pipeline.images import one_line

    if folder is None:
        if len(words) < 2:
            raise typer.BadParameter("give a name and at least one photo, or --folder DIR")
        from pipeline.gallery import normalise

        normalise(words[0])  # a name that cannot be used is an error, not a row for each photo
        return [(words[0], photo) for photo in words[1:]]
    if words:
        raise typer.BadParameter("give either a name and photos, or --folder DIR")
    if not folder.is_dir():
        raise PhotoNotFoundError(f"{one_line(str(folder))}: there is no such folder; check --folder")
    people = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    items: list[tuple[str, str | Path]] = [(person.name, photo) for person in people for photo in photos_in(person)]
    if not items:
        raise PhotoNotFoundError(f"{one_line(str(folder))}: holds no photos; a folder per person is expected")
    return items


def _enrolment_row(row: Enrolment) -> dict[str, Any]:
    if row.error:
        return {"photo": row.photo, "subject": row.subject, **row.error.as_dict()}
    return {"subject": row.subject, "photo": row.photo, "sample_id": row.sample_id, "already": row.already}


def _show_enrolment(context: Context, row: Enrolment) -> None:
    if row.error:
        context.note(f"not enrolled: {row.error.message}")
    else:
        context.say(f"{'already enrolled' if row.already else 'enrolled'}: {row.subject} from {row.photo}")


def verify(
    ctx: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="A photo.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another photo.")],
    face_a: Annotated[
        int | None, typer.Option("--face-a", min=1, help="Which face of A; 1 is the most prominent.")
    ] = None,
    face_b: Annotated[
        int | None, typer.Option("--face-b", min=1, help="Which face of B; 1 is the most prominent.")
    ] = None,
) -> None:
    """Say whether two photos show the same person. Exit code 0: yes, 1: no, 3: an error."""
    context: Context = ctx.obj
    services = context.services("few")
    result = services.verify(a, b, face_a=face_a, face_b=face_b)
    decision = result.decision
    if context.machine:
        context.emit(
            {
                "decision": decision.kind,
                "score": decision.score,
                "threshold": decision.threshold,
                "model_id": decision.model_id,
                "reason": decision.reason,
                "probability": decision.probability,
                "log_likelihood_ratio": decision.log_ratio,
                "operating_point": decision.origin,
                "runtime": services.recognizer.runtimes,
            }
        )
    else:
        answer = {"match": "match", "poor_image": "cannot say"}.get(decision.kind, "no match")
        context.say(f"{answer}: {decision.reason}")
        for name, count in ((a, result.faces_in_a), (b, result.faces_in_b)):
            if count > 1:
                context.note(f"{name} shows {count} faces; the most prominent one was compared (--face-a, --face-b)")
    raise typer.Exit(0 if decision.kind == "match" else 1)


def identify(
    ctx: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Photos, or folders of photos.")],
    allow_repeats: Annotated[
        bool, typer.Option("--allow-repeats", help="Let one person be named more than once in a photo.")
    ] = False,
) -> None:
    """Name the faces in photos: a row per face, and a row per photo that could not be used."""
    context: Context = ctx.obj
    photos = list(_photos(paths))
    from app.results import identification_rows

    if not photos:
        context.note("no photos were found there")
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

    if not all(paths):
        raise typer.BadParameter("a path is empty")
    for path in map(Path, paths):
        if is_folder(path):
            yield from photos_in(path)
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
                str(number),
                cell(decision.subject or f"({decision.kind})"),
                _scored(decision.best),
                "" if decision.threshold is None else f"{decision.threshold:.3f}",
                _scored(decision.runner_up),
            )
    context.console().print(table)
    for row in rows:
        if row.error:
            context.note(row.error.message)


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
