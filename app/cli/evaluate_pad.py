"""`knownface evaluate pad`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.context import Context
from pipeline.counting import counted


def pad(
    ctx: typer.Context,
    photos: Annotated[
        Path,
        typer.Argument(metavar="DIR", exists=True, file_okay=False, help="DIR/live/*.jpg and DIR/KIND/*.jpg."),
    ],
    model: Annotated[str, typer.Option("--model", help="The model; by default the one in use.")] = "",
    choose_on: Annotated[
        Path | None,
        typer.Option("--choose", exists=True, file_okay=False, help="Choose the threshold on this other set."),
    ] = None,
    halves: Annotated[
        bool,
        typer.Option("--halves", help="Choose it on every other person of DIR, and report the rest."),
    ] = False,
    toml: Annotated[bool, typer.Option("--toml", help="Print the operating point for the model's card.")] = False,
) -> None:
    """Presentation attacks: how many of each kind pass for live (APCER), how many live faces do not (BPCER).

    Without --choose or --halves the threshold is that of the model's card.
    """
    from app.evaluation import pad as task
    from pipeline.build import build_liveness, liveness_point
    from pipeline.errors import ConfigError
    from pipeline.weights.toml_out import to_toml

    context: Context = ctx.obj
    if choose_on and halves:
        raise typer.BadParameter("give either --choose or --halves")
    settings = context.settings.model_copy(update={"liveness": model} if model else {})
    if settings.liveness == "none":
        raise ConfigError("liveness is off: name a model with --model, e.g. --model liveness.faceplugin")
    detector, liveness = build_liveness(settings)
    services = context.services()

    def scored(folder: Path) -> list[task.Presentation]:
        items = task.presentations(folder)
        rows = task.score(folder, items, services.open, detector, liveness)
        return list(context.progress(iter(rows), len(items), "looking"))

    rows = scored(photos)
    if halves:
        chosen, rows = task.halves(rows)
        threshold, where = task.choose(chosen), f"{len(chosen)} photos of the other people of {photos.name}"
    elif choose_on:
        threshold, where = task.choose(scored(choose_on)), choose_on.name
    else:
        point = liveness_point(settings)
        assert point is not None  # noqa: S101 - liveness is on
        threshold, where = point.threshold, f"the model card ({point.measured_on})"
    result = task.report(rows, threshold, where, liveness.model_id)
    if toml:
        typer.echo(to_toml({"liveness": task.point_of(result, f"{photos.name}: threshold from {where}")}))
    elif context.machine:
        context.emit(json.loads(json.dumps(result)))
    else:
        _show(context, result)


def _show(context: Context, result: dict[str, Any]) -> None:
    context.say(f"threshold {result['threshold']:.4f}, chosen on {result['chosen_on']}; {result['model_id']}")
    for row in result["apcer"]:
        context.say(f"APCER {row['kind']}: {_text(row)}")
    context.say(f"BPCER: {_text(result['bpcer'])}")
    if result["no_face"]:
        without = counted(result["no_face"], "photo")
        context.note(f"{without} without a usable face: a live one counts as refused, an attack as found")


def _text(row: dict[str, Any]) -> str:
    low, high = row["interval"]
    return f"{row['rate']:.1%} of {row['count']} (95 % interval {low:.1%} to {high:.1%})"
