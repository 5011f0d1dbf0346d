"""`knownface users key ...`: API keys."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import when
from app.cli.context import Context, cell

app = typer.Typer(help="API keys, for programs: add, list, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The key's name, as the audit log writes it: no blanks.")]


def _role(label: str) -> str:
    from app.access import Role

    try:
        return Role.named(label.lower()).label
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@app.command()
def add(
    ctx: typer.Context,
    name: Name,
    role: Annotated[str, typer.Option("--role", callback=_role, help="viewer, operator or admin.")] = "viewer",
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="It ends with this day (UTC).")] = None,
) -> None:
    """Make an API key. It is shown this once: only its hash is kept."""
    from app.access import Role
    from app.access.keys import Keys

    context: Context = ctx.obj
    key, shown = Keys(context.settings.home).add(name, Role.named(role), when.until(until))
    ends = None if key.expires is None else key.expires.isoformat()
    context.write_down("key_add", f"key:{key.name}", {"role": role, "expires": ends})
    if context.machine:
        context.emit({"added": key.name, "id": key.id, "role": role, "expires": ends, "key": shown})
        return
    context.say(shown)
    context.note(f"the key {key.name}, {role}: keep it safe, it is not shown again; `knownface api` now asks for keys")


@app.command("list")
def list_keys(ctx: typer.Context) -> None:
    """List the API keys, without their secrets."""
    from app.access.keys import Keys

    context: Context = ctx.obj
    keys = Keys(context.settings.home).all()
    rows = [
        {
            "name": key.name,
            "id": key.id,
            "role": key.role.label,
            "since": key.created.isoformat(),
            "expires": None if key.expires is None else key.expires.isoformat(),
            "ended": key.ended,
        }
        for key in keys
    ]
    if context.json_lines:
        for row in rows:
            context.emit_line(row)
    elif context.json:
        context.emit({"keys": rows})
    elif not keys:
        context.note("there are no API keys: `knownface api` answers on this machine only")
    else:
        from rich.table import Table

        table = Table("name", "id", "role", "since", "ends", box=None, pad_edge=False)
        for key in keys:
            ends = "never" if key.expires is None else f"{when.last_day(key.expires)}{' (ended)' if key.ended else ''}"
            table.add_row(cell(key.name), key.id, key.role.label, f"{key.created:%Y-%m-%d}", ends)
        context.console().print(table)


@app.command()
def remove(ctx: typer.Context, name: Name) -> None:
    """Remove an API key, at once: a running server refuses it from the next request on."""
    from app.access.keys import Keys
    from app.access.users import normalise

    context: Context = ctx.obj
    Keys(context.settings.home).remove(name)
    context.write_down("key_remove", f"key:{normalise(name)}")
    if context.machine:
        context.emit({"removed": name})
    else:
        context.say(f"removed the key {name}")
