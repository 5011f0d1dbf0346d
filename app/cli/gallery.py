"""`knownface gallery ...`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import Context, cell
from app.cli.gallery_tune import tune
from pipeline.counting import counted

if TYPE_CHECKING:
    from app.services import Services

app = typer.Typer(
    help="The people enrolled: list, show, remove, rename, merge, split, check, backup, restore.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="SUBJECT", help="The subject's name, exactly as it is listed.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; only a terminal is asked anyway.")]


@contextmanager
def _open(context: Context) -> Iterator[Services]:
    context.note_no_gallery()
    services = context.services(reading=True)
    try:
        yield services
    finally:
        services.close()


@app.command("list")
def list_subjects(
    ctx: typer.Context,
    search: Annotated[str | None, typer.Option("--search", help="Only names that contain this.")] = None,
) -> None:
    """List the subjects and how many photos each has."""
    context: Context = ctx.obj
    with _open(context) as services:
        subjects = services.gallery.subjects(search=search)
    if context.json_lines:
        for info in subjects:
            context.emit_line({"subject": info.name, "samples": info.samples})
    elif context.json:
        context.emit({"subjects": [{"subject": info.name, "samples": info.samples} for info in subjects]})
    elif not subjects and search:
        context.note(f"no subject's name contains {search!r}")
    elif not subjects:
        context.note("nobody is enrolled yet: knownface enrol SUBJECT PHOTO...")
    else:
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for column in ("subject", "samples", "since"):
            table.add_column(column, justify="right" if column == "samples" else "left")
        for info in subjects:
            table.add_row(cell(info.name), str(info.samples), f"{info.created:%Y-%m-%d}")
        context.console().print(table)


@app.command()
def show(ctx: typer.Context, subject: Name) -> None:
    """Show the photos a subject is enrolled from."""
    context: Context = ctx.obj
    with _open(context) as services:
        detail = services.gallery.subject(subject)
    if context.machine:
        samples = [
            {
                "sample_id": sample.id,
                "photo": sample.source,
                "photo_sha256": sample.photo_sha256,
                "box": [round(v, 1) for v in sample.box],
                "confidence": sample.confidence,
                "enrolled": sample.created.isoformat(),
                "usable": sample.has_template,
            }
            for sample in detail.samples
        ]
        context.emit({"subject": detail.info.name, "samples": samples})
        return
    context.say(f"{detail.info.name}: {counted(detail.info.samples, 'sample')}")
    for sample in detail.samples:
        usable = "" if sample.has_template else "  (no template of the model in use: enrol it again)"
        context.say(f"  {sample.id}  {sample.created:%Y-%m-%d %H:%M}  {sample.source}{usable}")


@app.command()
def remove(ctx: typer.Context, subject: Name, yes: Yes = False) -> None:
    """Remove a subject from the gallery. Runs keep its faces, as unknown: `subject erase` erases those too."""
    context: Context = ctx.obj
    with _open(context) as services:
        found = services.gallery.subject(subject)
        if context.may_ask and not yes:
            what = f"{found.info.name}, {counted(found.info.samples, 'sample')}"
            context.confirm(f"remove {what} and all that the gallery holds of them, for good?")
        samples = services.remove(subject)
    done(context, {"removed": subject, "samples": samples}, f"removed {subject} and {counted(samples, 'sample')}")


@app.command()
def rename(ctx: typer.Context, subject: Name, new_name: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Give a subject another name."""
    context: Context = ctx.obj
    with _open(context) as services:
        services.rename(subject, new_name)
    done(context, {"renamed": subject, "to": new_name}, f"renamed {subject} to {new_name}")


@app.command()
def merge(
    ctx: typer.Context, subject: Name, into: Annotated[str, typer.Argument(help="The subject that remains.")]
) -> None:
    """Merge two subjects that are one person; the second name remains."""
    context: Context = ctx.obj
    with _open(context) as services:
        samples = services.merge(subject, into)
    done(context, {"merged": subject, "into": into, "samples": samples}, f"merged {subject} into {into}")


@app.command()
def check(
    ctx: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what can be put right.")] = False,
) -> None:
    """Look for damage and contradictions. Exit code 0: none, 1: some remain."""
    context: Context = ctx.obj
    with _open(context) as services:
        problems = services.check(repair=repair)
        subjects, samples = len(services.gallery), services.gallery.sample_count
        figures = {} if problems else services.gallery.stats()
    if others := figures.get("templates", 0) - figures.get("templates_of_model", 0):
        kept = counted(others, "template")
        context.note(f"kept, and not searched: {kept} of other models than the one in use")
    rows = [{"kind": p.kind, "message": p.message, "repaired": p.repaired} for p in problems]
    if context.machine:
        context.emit({"problems": rows, "subjects": subjects, "samples": samples})
    else:
        for problem in problems:
            context.say(f"{'repaired' if problem.repaired else 'problem'}: {problem.message}")
        if not problems:
            context.say(f"no problems: {counted(subjects, 'subject')}, {counted(samples, 'sample')}")
    raise typer.Exit(1 if any(not p.repaired for p in problems) else 0)


@app.command()
def split(
    ctx: typer.Context,
    new_name: Annotated[str, typer.Argument(metavar="NEW_SUBJECT", help="The name of the new subject.")],
    sample_ids: Annotated[
        list[str], typer.Argument(metavar="SAMPLE...", help="Samples, as `gallery show` lists them.")
    ],
    purpose: Annotated[str | None, typer.Option("--consent-purpose", help="Record a consent for this.")] = None,
    until: Annotated[
        str | None, typer.Option("--consent-until", metavar="DATE", help="It ends with this day (UTC).")
    ] = None,
) -> None:
    """Move samples that show somebody else to a subject of their own."""
    from app.cli.recognise import consent_of

    context: Context = ctx.obj
    consent = consent_of(purpose, until)
    with _open(context) as services:
        services.split(sample_ids, new_name, consent)
    done(context, {"split": sample_ids, "to": new_name}, f"moved {counted(len(sample_ids), 'sample')} to {new_name}")


@app.command()
def backup(ctx: typer.Context, file: Annotated[Path, typer.Argument(help="A new file.")]) -> None:
    """Write the whole gallery to one file, consistent even while others enrol. It holds personal data."""
    context: Context = ctx.obj
    with _open(context) as services:
        services.backup(file)
    done(context, {"backup": str(file)}, f"backed up to {file}: it holds personal data, keep it safe")


@app.command()
def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file made by `backup`.")],
    yes: Yes = False,
    in_the_open: Annotated[
        bool, typer.Option("--in-the-open", help="A backup in the open may replace an encrypted gallery.")
    ] = False,
) -> None:
    """Replace everything in the gallery by a backup."""
    context: Context = ctx.obj
    location = context.settings.gallery_location
    if context.may_ask and not yes and Path(location).exists():
        context.confirm(f"replace everything in the gallery {location} by {file}?")
    context.services().restore(file, in_the_open=in_the_open)
    with _open(context) as services:
        subjects, samples = len(services.gallery), services.gallery.sample_count
    document = {"restored": str(file), "subjects": subjects, "samples": samples}
    held = f"{counted(subjects, 'subject')} and {counted(samples, 'sample')}"
    done(context, document, f"restored {held} from {file}")


@app.command()
def export(ctx: typer.Context, subject: Name) -> None:
    """Print everything held about a subject as one JSON document."""
    context: Context = ctx.obj
    with _open(context) as services:
        context.emit(services.export(subject))


@app.command()
def compact(
    ctx: typer.Context,
    forget_models: Annotated[
        bool, typer.Option("--forget-models", help="Remove the templates of models that are no longer used first.")
    ] = False,
) -> None:
    """Give free space back to the disk."""
    context: Context = ctx.obj
    with _open(context) as services:
        forgotten = services.compact(forget_models=forget_models)
        figures = services.gallery.stats()
    if forget_models:
        figures |= {"templates_forgotten": forgotten}
    gone = f", {counted(forgotten, 'template')} of other models removed" if forget_models else ""
    done(context, figures, f"compacted{gone}")


app.command()(tune)


@app.command()
def stats(ctx: typer.Context) -> None:
    """Counts and sizes."""
    context: Context = ctx.obj
    with _open(context) as services:
        figures = services.gallery.stats()
    if context.machine:
        context.emit(figures)
        return
    for key, value in figures.items():
        for name, inner in value.items() if isinstance(value, dict) else [("", value)]:
            context.say(f"{key}{' ' + name if name else ''}: {inner}")


def done(context: Context, document: dict[str, Any], sentence: str) -> None:
    """Says what was done: the document for a program, the sentence for people."""
    if context.machine:
        context.emit(document)
    else:
        context.say(sentence)
