"""`knownface train`: trains a backbone. What it needs beyond the pipeline is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.context import Context
from pipeline.counting import counted
from pipeline.errors import ConfigError

_PACKAGES = ("torch", "torchvision", "safetensors")


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command()(train)


def train(
    ctx: typer.Context,
    config: Annotated[Path | None, typer.Argument(metavar="CONFIG", help="What to train (TOML).")] = None,
    resume: Annotated[Path | None, typer.Option("--resume", help="Folder of a run to go on with.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="One step of everything on the CPU; says what the run will take.")
    ] = False,
) -> None:
    """Train a backbone, go on with a run that stopped, or try out a configuration.

    Several GPUs: torchrun --nproc-per-node 8 -m app.cli train CONFIG
    """
    context: Context = ctx.obj
    if (config is None) == (resume is None):
        raise ConfigError("give either a configuration (`train CONFIG`) or a run (`train --resume RUN`)")
    if resume is not None and dry_run:
        raise ConfigError("--dry-run takes a configuration, not a run")
    from pipeline.extra import need

    need("train", *_PACKAGES)
    if dry_run and config is not None:
        from training.engine.config import TrainConfig
        from training.engine.dry_run import dry_run as try_out

        _show(context, try_out(TrainConfig.read(config)))
        return
    from training.engine.config import TrainConfig
    from training.engine.loop import read_run
    from training.engine.loop import train as run

    chosen = read_run(resume) if resume is not None else TrainConfig.read(config) if config is not None else None
    assert chosen is not None  # noqa: S101 - one of the two is given
    result = run(chosen, resume=resume is not None, quiet=context.quiet)
    if result is None:
        return  # the first of several ranks speaks for all
    if context.machine:
        context.emit(result)
    else:
        best, untrained = result["best_error"], result["untrained_error"]
        found = "" if best is None else f"; lowest equal error rate {best:.4f} after step {result['best_step']}"
        found += "" if untrained is None else f" (before training: {untrained:.4f})"
        context.say(f"{result['run']}: {counted(result['steps'], 'step')} done{found}")


def _show(context: Context, document: dict[str, Any]) -> None:
    if context.machine:
        context.emit(document)
        return
    say = context.say
    photos, identities = counted(document["photos"], "photo"), counted(document["identities"], "identity", "identities")
    say(f"{photos} of {identities}, {counted(document['steps'], 'step')}")
    say(f"{document['parameters']:,} parameters, {document['gflops_per_photo']:.2f} GFLOP forward per photo")
    memory = document["memory_mb"]
    listed = ", ".join(f"{name} {value:.0f}" for name, value in memory.items() if name != "total")
    say(f"memory of one process: about {memory['total']:.0f} MB ({listed})")
    say(f"on this CPU: {document['seconds_per_photo'] * 1e3:.0f} ms per photo, {document['hours_on_this_cpu']:.1f} h")
    say("data, step, evaluation, checkpoint and restoring work")
