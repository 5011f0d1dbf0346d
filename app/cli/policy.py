"""`knownface policy ...`."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from app.cli.context import Context

app = typer.Typer(
    help="What is demanded before somebody is enrolled, how long anything is kept, what is logged.",
    no_args_is_help=True,
)


@app.command()
def show(ctx: typer.Context) -> None:
    """Show the policy in force and where it comes from."""
    from app.policy import load_policy, policy_file

    context: Context = ctx.obj
    chosen, file = load_policy(context.settings), policy_file(context.settings)
    if context.machine:
        context.emit({"file": str(file), **chosen.model_dump(mode="json")})
        return
    context.say(f"policy {chosen.name} ({file})")
    for section in ("consent", "retention", "audit"):
        for key, value in getattr(chosen, section).model_dump(mode="json").items():
            context.say(f"  {section}.{key}: {'-' if value is None else json.dumps(value, ensure_ascii=False)}")


@app.command()
def use(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="PROFILE|FILE", help="home, strict, or a TOML file.")],
) -> None:
    """Put a policy in force: it becomes policy.toml in the data folder, and the audit log says so."""
    from app.policy import PROFILES, profile_file

    context: Context = ctx.obj
    with closing(context.services()) as services:
        chosen = services.use_policy(profile_file(source) if source in PROFILES else Path(source))
    sentence = f"the policy {chosen.name} is in force"
    context.emit({"policy": chosen.name}) if context.machine else context.say(sentence)


@app.command()
def check(ctx: typer.Context) -> None:
    """Say what in the gallery the policy does not allow. Exit code 0: nothing, 1: something."""
    context: Context = ctx.obj
    context.note_no_gallery()
    with closing(context.services(reading=True)) as services:
        problems = services.policy_problems()
        name = services.policy.name
    if context.machine:
        context.emit({"policy": name, "problems": [{"kind": p.kind, "message": p.message} for p in problems]})
    else:
        for problem in problems:
            context.say(problem.message)
        if not problems:
            context.say(f"nothing is against the policy {name}")
    raise typer.Exit(1 if problems else 0)
