"""`knownface data ...`: sets of aligned crops to train on. What a command needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.cli.context import Context
from pipeline.counting import counted

app = typer.Typer(help="Build, look through and clean sets of crops to train on.", no_args_is_help=True)

Set = Annotated[
    Path, typer.Argument(metavar="SET", exists=True, help="Shards (tar, RecordIO, TFRecord), or a folder per identity.")
]
Out = Annotated[Path | None, typer.Option("--out", help="Write a report into this folder.")]


@app.callback()
def _group() -> None:
    """Build, look through and clean sets of crops to train on."""


@app.command()
def build(
    ctx: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="SRC", exists=True, file_okay=False, help="Photos, a sub-folder per identity.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", file_okay=False, help="Folder of the shards.")],
    encoding: Annotated[
        Literal["jpg", "png"], typer.Option("--encoding", help="Of the crops: JPEG at quality 95, or PNG, lossless.")
    ] = "jpg",
    shard: Annotated[int, typer.Option("--shard", min=1, help="Photos in a shard.")] = 5000,
    only_face: Annotated[
        bool, typer.Option("--only-face", help="Photos with several faces fail; else the most prominent is taken.")
    ] = False,
) -> None:
    """Cut the faces out of photos and write them into shards; the same command again goes on where it stopped."""
    from app.evaluation.folders import people_in
    from app.photos import open_source
    from pipeline.build import build_cropper
    from training.data.build import BuildOptions, Photo
    from training.data.build import build as run

    context: Context = ctx.obj
    settings = context.settings
    photos = [Photo(identity, name) for identity, names in people_in(source).items() for name in names]
    recognizer, models = build_cropper(settings)

    def opened(photo: Photo) -> Any:
        return open_source(source / photo.name, max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)

    def stream(part: Any) -> Any:
        results = recognizer.stream(part, opened, workers=settings.worker_count)
        return context.progress(results, len(part), "cropping")

    options = BuildOptions(models, encoding, shard, only_face)
    done = []
    for built in run(source, photos, out, stream, options):
        done.append(built)
        index = built.index
        row = {"shard": built.file.name, "samples": len(index.samples), "several_faces": index.several}
        context.emit_line({**row, "resumed": built.resumed, "failed": index.failed})
        context.note(f"{built.file.name}: {len(index.samples)} crops, {len(index.failed)} failed")
    failed = [row for built in done for row in built.index.failed]
    people = {identity for built in done for _, _, identity, _ in built.index.samples}
    document = {
        "out": str(out),
        "photos": len(photos),
        "samples": sum(len(built.index.samples) for built in done),
        "identities": len(people),
        "identities_without_a_crop": sorted({photo.identity for photo in photos} - people),
        "several_faces": sum(built.index.several for built in done),
        "shards": len(done),
        "resumed": sum(built.resumed for built in done),
        "failed": failed,
    }
    if context.json:
        context.emit(document)
    elif not context.machine:
        for failure in failed:
            context.note(f"no crop: {failure['message']}")
        crops = f"{document['samples']} crops of {len(people)} identities"
        context.say(f"{out}: {crops} in {len(done)} shards; {len(failed)} failed")
    if failed:
        raise typer.Exit(3)


@app.command()
def clean(
    ctx: typer.Context,
    path: Set,
    against: Annotated[
        list[Path] | None, typer.Option("--against", exists=True, help="A set to be evaluated on; may be repeated.")
    ] = None,
    duplicate: Annotated[
        float, typer.Option("--duplicate", min=-1, max=1, help="Two crops of at least this score are one picture.")
    ] = 0.95,
    same: Annotated[
        float | None, typer.Option("--same", help="Score of one person; by default the model's operating point.")
    ] = None,
    out: Out = None,
    remove: Annotated[
        Path | None, typer.Option("--remove", file_okay=False, help="Write a new set here, without what was found.")
    ] = None,
) -> None:
    """List near-duplicates, likely label noise, and people who are in evaluation sets. Exit code 1: some were found."""
    from app.training_sets import CleanReport
    from training.data.open import open_dataset

    context: Context = ctx.obj
    services = context.services()
    dataset = open_dataset(path)
    report = CleanReport.of(
        services,
        dataset,
        {str(other): open_dataset(other) for other in against or []},
        duplicate=duplicate,
        same=same,
        progress=lambda parts, total: context.progress(parts, total, "embedding"),
    )
    document = report.as_dict()
    if out:
        report.write(out)
        document["report"] = str(out)
    if remove:
        document["removed"] = report.remove(remove)
        document["cleaned"] = str(remove)
    if context.machine:
        context.emit(document)
    else:
        for row in report.rows():
            context.say(f"{row['kind']}: {row['sample']} ({row['identity']}), {row['other']}: {row['score']:.3f}")
        counts = ", ".join(f"{count} {kind}" for kind, count in document["counts"].items())
        context.note(f"{document['samples']} crops of {document['identities']} identities: {counts}")
        if remove:
            context.note(f"{remove}: written without {document['removed']} crops")
    if document["found"] or document["unreadable"]:
        raise typer.Exit(1)


@app.command()
def stats(
    ctx: typer.Context,
    path: Set,
    photos: Annotated[int, typer.Option("--photos", min=1, help="Crops to look at, evenly chosen.")] = 2000,
    out: Out = None,
) -> None:
    """Say what a set holds: identities, crops of each, brightness, contrast, sharpness; with --out, plots."""
    from training.data.open import open_dataset
    from training.data.stats import chosen, measure, summary

    context: Context = ctx.obj
    dataset = open_dataset(path)
    samples = chosen(dataset, photos)
    measured, failed = measure(dataset, samples)
    document = {"set": str(path), **summary(dataset, measured), "failed": failed}
    if out:
        from app.training_sets import write_stats

        write_stats(out, document, measured)
        document["report"] = str(out)
    if context.machine:
        context.emit(document)
        return
    per = document["samples_per_identity"]
    context.say(f"{document['samples']} crops of {document['identities']} identities")
    context.say(f"crops of an identity: {per['min']:g} to {per['max']:g}, median {per['median']:g}")
    for name in ("brightness", "contrast", "sharpness"):
        values = document[name]
        context.say(f"{name}: median {values['median']:g}, nine in ten within {values['p5']:g} to {values['p95']:g}")
    for row in failed:
        context.note(row["message"])


@app.command()
def preview(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", exists=True, help="A training configuration (TOML).")],
    sheet: Annotated[Path, typer.Argument(metavar="SHEET.png", dir_okay=False, help="Where to write the picture.")],
    rows: Annotated[int, typer.Option("--rows", min=1, max=100, help="Crops shown.")] = 8,
    columns: Annotated[int, typer.Option("--columns", min=1, max=40, help="Epochs shown of each.")] = 8,
    each: Annotated[
        bool, typer.Option("--each", help="Instead: every augmentation alone, also those left off.")
    ] = False,
) -> None:
    """Draw crops as training will see them: the crop itself, then as it is in each epoch."""
    from pipeline.extra import need

    need("train", "torch", "albumentations")
    from training.data.preview import preview_rows
    from training.data.sheet import contact_sheet, write_sheet
    from training.engine.config import TrainConfig

    context: Context = ctx.obj
    drawn = preview_rows(TrainConfig.read(config), rows=rows, columns=columns, each=each)
    write_sheet(sheet, contact_sheet(drawn))
    if context.machine:
        context.emit({"sheet": str(sheet), "rows": [text for text, _ in drawn]})
    else:
        context.say(f"{sheet}: {counted(len(drawn), 'row')}")
