"""`knownface users ...`: who may use the web page, and as what."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import users_key
from app.cli.context import Context, cell

if TYPE_CHECKING:
    from app.access.users import Users

app = typer.Typer(
    help="Who may use the web page: add, list, remove, passwd, role; key. With users, everybody has to log in.",
    no_args_is_help=True,
)
app.add_typer(users_key.app, name="key")

Name = Annotated[str, typer.Argument(metavar="USER", help="The user's name: no blanks; capitals do not matter.")]
_MOST = 64 * 1024  # bytes of standard input that are looked at


def _users(context: Context) -> Users:
    from app.access.users import Users

    return Users(context.settings.home)


def _role(label: str) -> str:
    from app.access import Role

    try:
        return Role.named(label.lower()).label
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Chosen = Annotated[str, typer.Option("--role", callback=_role, help="viewer, operator or admin.")]


@app.command()
def add(ctx: typer.Context, user: Name, role: Chosen = "viewer") -> None:
    """Add a user. The password is asked for, or read from standard input: it is never an argument."""
    from app.access import Role

    context: Context = ctx.obj
    name = _users(context).add(user, Role.named(role), _password(context))
    context.write_down("user_add", f"user:{name}", {"role": role})
    _done(context, {"added": name, "role": role}, f"added {name}, {role}: the web page now asks everybody to log in")


@app.command("list")
def list_users(ctx: typer.Context) -> None:
    """List the users and their roles."""
    context: Context = ctx.obj
    users = _users(context).all()
    rows = [
        {"user": u.name, "role": u.role.label, "since": u.created.isoformat(), "locked_s": round(u.locked_s)}
        for u in users
    ]
    if context.json_lines:
        for row in rows:
            context.emit_line(row)
    elif context.json:
        context.emit({"users": rows})
    elif not users:
        context.note("there are no users: on this machine the web page asks nobody to log in")
    else:
        from rich.table import Table

        table = Table("user", "role", "since", "locked", box=None, pad_edge=False)
        for u in users:
            locked = f"{u.locked_s / 60:.0f} more minutes" if u.locked_s else ""
            table.add_row(cell(u.name), u.role.label, f"{u.created:%Y-%m-%d}", locked)
        context.console().print(table)


@app.command()
def remove(ctx: typer.Context, user: Name) -> None:
    """Remove a user, at once: open pages ask to log in again."""
    context: Context = ctx.obj
    users = _users(context)
    users.remove(user)
    context.write_down("user_remove", _target(user))
    _done(context, {"removed": user}, f"removed {user}")
    if not users.any():
        context.note("that was the last user: on this machine the web page asks nobody to log in any more")


@app.command()
def passwd(ctx: typer.Context, user: Name) -> None:
    """Give a user another password, and unlock the name after failed attempts."""
    context: Context = ctx.obj
    users = _users(context)
    users.find(user)
    users.set_password(user, _password(context))
    context.write_down("user_password", _target(user))
    _done(context, {"changed": user}, f"changed the password of {user}")


@app.command()
def role(
    ctx: typer.Context,
    user: Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", callback=_role, help="viewer, operator or admin.")],
) -> None:
    """Give a user another role, at once."""
    from app.access import Role

    context: Context = ctx.obj
    _users(context).set_role(user, Role.named(role))
    context.write_down("user_role", _target(user), {"role": role})
    _done(context, {"user": user, "role": role}, f"{user} is now {role}")


def _target(user: str) -> str:
    from app.access.users import normalise

    return f"user:{normalise(user)}"


def _password(context: Context) -> str:
    """Asked for twice on a terminal; else the first line of standard input."""
    if sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty():
        return sys.stdin.readline(_MOST).rstrip("\r\n")
    from app.access.passwords import MIN_LENGTH

    context.note(f"at least {MIN_LENGTH} characters; several words are good")
    asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def _done(context: Context, document: dict[str, object], sentence: str) -> None:
    if context.machine:
        context.emit(document)
    else:
        context.say(sentence)
