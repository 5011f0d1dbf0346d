"""`knownface bench`: how fast this machine looks at photos, and how it does so fastest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import Context

if TYPE_CHECKING:
    from pipeline.config import Settings


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command()(bench)


def bench(
    ctx: typer.Context,
    tune: Annotated[
        bool, typer.Option("--tune", help="Try runtimes, precisions, threads, streams and batches; keep the fastest.")
    ] = False,
    photos: Annotated[
        Path | None, typer.Option("--photos", exists=True, file_okay=False, help="Default: the sample photos.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Photos of a pass.")] = 64,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Passes of each way, in turns.")] = 5,
) -> None:
    """Measure from photo to template, beside plain ONNX Runtime in fp32; with --tune find the fastest way."""
    context: Context = ctx.obj
    from app.tuning import Bench, report
    from app.tuning import tune as find

    settings = context.settings
    made = Bench(settings, _photos(settings, photos, count), rounds, context.note)
    if tune:
        document = find(made, settings)
    else:
        from app.tuning import in_use

        shown = [made.plain, made.usual, in_use(made, settings)]
        document = report(made, shown, made.compare(shown))
    if context.machine:
        context.emit(document)
    else:
        _show(context, document)


def _photos(settings: Settings, folder: Path | None, count: int) -> list[Path]:
    """Photos of a folder, or the sample photos; the same ones again until there are `count`."""
    from app.exporting.faces import sample_places
    from app.photos import photos_in
    from pipeline.weights.samples import present_samples

    if folder:
        files = photos_in(folder)[:count]
    else:
        here = next((found for place in sample_places(settings) if (found := present_samples(place))), [])
        files = [sample.path for sample in here]
        files = [files[number % len(files)] for number in range(count)] if files else []
    return files


def _show(context: Context, document: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("", "embedder", "precision", "runtimes", "streams x threads", "faces at once", "photos/s", "x plain"):
        table.add_column(name, justify="right" if name in {"photos/s", "x plain"} else "left")
    for row in document["end_to_end"]:
        shape, rate = f"{row['workers']} x {row['threads']}", f"{row['photos_per_second']:.2f}"
        cells = [row["what"], row["embedder"], row["precision"], " ".join(row["runtimes"]), shape, str(row["batch"])]
        table.add_row(*cells, rate, f"{row['times_plain']:.2f}")
    context.console().print(table)
    context.say(f"{document['machine']}")
    for parity in document["parity"]:
        context.say(
            f"parity of {parity['model']}: mean cosine {parity['mean_cosine']:.5f}, {parity['flips']} of "
            f"{parity['comparisons']} decisions differ ({parity['data']})"
        )
    if "kept_in" in document:
        context.note(f"kept in {document['kept_in']}: used from now on, until models, versions or machine change")
        if document["fastest"]["embedder"] != document["chosen"]["embedder"]:
            name = document["fastest"]["embedder"]
            context.note(f"{name} is faster: `knownface models use {name}` embeds the gallery anew with it")
