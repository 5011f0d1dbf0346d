"""`knownface unknown ...`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import Context, cell
from app.cli.gallery import done
from pipeline.counting import counted

if TYPE_CHECKING:
    from app.services import Services
    from app.unknowns import Registry

app = typer.Typer(
    help="People nobody has named yet, in clusters: list, show, name, merge, split.", no_args_is_help=True
)

Cluster = Annotated[str, typer.Argument(metavar="CLUSTER", help="What it is called, such as U-0001.")]


@contextmanager
def _open(context: Context) -> Iterator[tuple[Services, Registry]]:
    """Services and clusters, brought up to date with the gallery."""
    from app.unknowns import refresh

    context.note_no_gallery()
    services = context.services(reading=True)
    try:
        yield services, refresh(services)
    finally:
        services.close()


@app.command("list")
def list_clusters(
    ctx: typer.Context,
    everybody: Annotated[bool, typer.Option("--all", help="Also those with a single face.")] = False,
) -> None:
    """List the unknown people, those with most faces first."""
    from app.unknowns import label

    context: Context = ctx.obj
    with _open(context) as (_, registry):
        clusters, subjects = registry.clusters(), registry.subjects()
    ordered = sorted(clusters.items(), key=lambda one: (-len(one[1]), one[0]))
    rows = [
        {
            "cluster": label(number),
            "faces": len(faces),
            "photos": len({face.rpartition("-")[0] for face in faces}),
            "subject": subjects.get(number),
        }
        for number, faces in ordered
        if everybody or len(faces) > 1 or number in subjects
    ]
    alone = len(clusters) - len(rows)
    if context.json_lines:
        for row in rows:
            context.emit_line(row)
    elif context.json:
        context.emit({"clusters": rows, "alone": alone})
    else:
        _show_list(context, rows, alone)


def _show_list(context: Context, rows: list[dict[str, Any]], alone: int) -> None:
    from rich.table import Table

    if not rows and not alone:
        context.note("no face is unknown: `knownface identify PATH... --run NAME` keeps those it finds")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("cluster", "faces", "photos", "named"):
        table.add_column(column, justify="right" if column in ("faces", "photos") else "left")
    for row in rows:
        table.add_row(row["cluster"], str(row["faces"]), str(row["photos"]), cell(row["subject"] or ""))
    if rows:
        context.console().print(table)
    if alone:
        one = counted(alone, "unknown person", "unknown people")
        context.note(f"{one} with a single face {'is' if alone == 1 else 'each are'} left out (--all)")


@app.command()
def show(
    ctx: typer.Context,
    cluster: Cluster,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write its faces to this file: .html, .png or .jpg.")
    ] = None,
) -> None:
    """Show the faces of an unknown person."""
    from app.unknowns import label, members
    from app.unknowns.sheet import write_sheet

    context: Context = ctx.obj
    with _open(context) as (services, registry):
        number = registry.resolve(cluster)
        faces = members(services, registry, number)
        also, subject = [label(one) for one in registry.aliases(number)], registry.subjects().get(number)
        if out is not None:
            write_sheet(out, f"Unknown person {label(number)}", faces)
            context.note(f"wrote {out}: it shows people, keep it safe")
    rows = [
        {
            "face_id": face.row.face_id,
            "photo": face.photo,
            "box": [round(v, 1) for v in face.row.box],
            "quality": face.row.quality,
            "run": face.run.name,
        }
        for face in faces
    ]
    if context.json_lines:
        for row in rows:
            context.emit_line(row)
    elif context.json:
        context.emit({"cluster": label(number), "subject": subject, "aliases": also, "faces": rows})
    else:
        named = f", named {subject}" if subject else ""
        context.say(
            f"{label(number)}: {counted(len(rows), 'face')}{named}{' (also ' + ', '.join(also) + ')' if also else ''}"
        )
        for row in rows:
            context.say(f"  {row['face_id']}  {row['photo']}")


@app.command()
def name(
    ctx: typer.Context,
    cluster: Cluster,
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="A new name, or that of somebody enrolled.")],
    samples: Annotated[int, typer.Option("--samples", min=1, max=100, help="Enrol at most so many of its faces.")] = 5,
    purpose: Annotated[str | None, typer.Option("--consent-purpose", help="Record a consent for this.")] = None,
    until: Annotated[
        str | None, typer.Option("--consent-until", metavar="DATE", help="It ends with this day (UTC).")
    ] = None,
) -> None:
    """Give an unknown person a name: the best few faces are enrolled, and every run is decided anew."""
    from app.cli.recognise import consent_of
    from app.unknowns import name_cluster, refresh

    context: Context = ctx.obj
    consent = consent_of(purpose, until)
    context.note_new_gallery()
    services = context.services()
    try:
        registry = refresh(services)
        named = name_cluster(services, registry, registry.resolve(cluster), subject, samples, consent)
        written = _rewrite(context, registry, services)
    finally:
        services.close()
    document = {
        "named": named.cluster,
        "subject": named.subject,
        "sample_ids": named.sample_ids,
        "faces": named.faces,
        "recognised": named.recognised,
        "written": written,
    }
    left = named.faces - named.recognised
    more = f"; {left} are not alike enough and stay in {named.cluster}" if left else ""
    faces = counted(named.faces, "face")
    sentence = f"{named.cluster} is {named.subject}: enrolled {len(named.sample_ids)} of {faces}, "
    done(context, document, f"{sentence}{named.recognised} recognised now{more}")


@app.command()
def merge(
    ctx: typer.Context,
    cluster: Cluster,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Another one, who is the same person.")],
) -> None:
    """Say that two unknown people are one; the older name stays, the other one keeps leading to it."""
    from app.unknowns import label, merge_clusters

    context: Context = ctx.obj
    with _open(context) as (services, registry):
        one, two = registry.resolve(cluster), registry.resolve(other)
        number = merge_clusters(services, registry, one, two)
        faces, written = len(registry.clusters().get(number, ())), _rewrite(context, registry, services)
    gone = label(max(one, two))
    document = {"merged": gone, "into": label(number), "faces": faces, "written": written}
    done(context, document, f"{gone} is {label(number)} now: {counted(faces, 'face')}")


@app.command()
def split(
    ctx: typer.Context,
    cluster: Cluster,
    faces: Annotated[list[str], typer.Argument(metavar="FACE...", help="Faces, as `unknown show` lists them.")],
) -> None:
    """Say that some faces are somebody else; they become an unknown person of their own."""
    from app.unknowns import label, split_cluster

    context: Context = ctx.obj
    with _open(context) as (services, registry):
        number = registry.resolve(cluster)
        new = split_cluster(services, registry, number, faces)
        written = _rewrite(context, registry, services)
    document = {"split": label(number), "to": label(new), "faces": sorted(set(faces)), "written": written}
    done(context, document, f"{counted(len(set(faces)), 'face')} of {label(number)} became {label(new)}")


def _rewrite(context: Context, registry: Registry, services: Services) -> list[str]:
    """Writes the results of the runs again where they were; returns the files. Errors: `write_results`."""
    from app.unknowns import write_again

    files, errors = write_again(services, registry)
    for file in files:
        context.note(f"wrote {file}")
    if errors:
        raise errors[0]
    return [str(file) for file in files]
