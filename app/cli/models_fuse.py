"""`knownface models fuse`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.cli.context import Context


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(fuse)


def fuse(
    ctx: typer.Context,
    members: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Two to four embedders; NAME+flip sees the mirror image too.")
    ],
    folder: Annotated[
        Path, typer.Option("--folder", exists=True, file_okay=False, help="Photos, a sub-folder per person.")
    ],
) -> None:
    """Make an ensemble of embedders: its weights are fitted on photos of known people."""
    context: Context = ctx.obj
    from app.fusion import fuse as fit_ensemble

    def watched(names: Sequence[str], label: str) -> Iterable[str]:
        return context.progress(names, len(names), label)

    card, fit = fit_ensemble(context.settings, members, folder, watched)
    if context.machine:
        context.emit({"card": card.model_dump(mode="json", exclude_defaults=True), "fit": asdict(fit)})
        return
    for member in card.members:
        context.say(f"{member.label}: weight {member.weight:.2f}")
    context.say(card.provenance)
    context.note(f"`knownface models use {card.name}` chooses it; it needs an operating point: `knownface calibrate`")
