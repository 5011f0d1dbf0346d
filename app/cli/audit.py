"""`knownface audit ...`: the log of what was done."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.audit_export import head as signed_end
from app.audit_export import written
from app.cli import when
from app.cli.context import Context, cell
from pipeline.counting import counted
from pipeline.gallery import private

if TYPE_CHECKING:
    from app.services import Services
    from pipeline.gallery import Entry

app = typer.Typer(help="The audit log: verify that it is whole, show it, export it.", no_args_is_help=True)

Since = Annotated[str | None, typer.Option("--since", metavar="DATE", help="Not before this day or time (UTC).")]
Until = Annotated[str | None, typer.Option("--until", metavar="DATE", help="Up to this day or time (UTC).")]
Who = Annotated[str | None, typer.Option("--actor", help="Only what this one did.")]
What = Annotated[str | None, typer.Option("--action", help="Only this action, such as enrol.")]
Subject = Annotated[str | None, typer.Option("--subject", help="Only what concerns this subject, by name or id.")]


@app.command()
def verify(
    ctx: typer.Context,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="Only this key's signature counts (PEM; see `audit key`).")
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option("--head", help="An end that was kept elsewhere (`audit export --head`)."),
    ] = None,
) -> None:
    """Check every entry, the end and its signature. Exit code 0: whole, 1: something was changed or is missing."""
    context: Context = ctx.obj
    with _open(context) as services:
        verdict = services.verify_audit(public_key, head)
    document = {
        "whole": not verdict.findings,
        "entries": verdict.entries,
        "chain_id": None if verdict.end is None else verdict.end.chain_id,
        "last_hash": None if verdict.end is None else verdict.end.last_hash,
        "signed_by": verdict.signed_by or None,
        "findings": [{"kind": f.kind, "entry": f.entry, "message": f.message} for f in verdict.findings],
    }
    if context.machine:
        context.emit(document)
    elif verdict.findings:
        for finding in verdict.findings:
            context.say(f"tampering: {finding.message}")
    elif verdict.signed_by:
        entries = counted(verdict.entries, "entry", "entries")
        context.say(f"the log is whole: {entries}, its end signed with the key {verdict.signed_by}")
    else:
        context.say("the log is empty")
    raise typer.Exit(1 if verdict.findings else 0)


@app.command()
def accept(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; only a terminal is asked anyway.")] = False,
) -> None:
    """Sign the log as it stands; an entry says what was found wrong with it. Changed entries stay visible."""
    context: Context = ctx.obj
    if context.may_ask and not yes:
        context.confirm("sign the audit log as it stands, whatever was done to it?")
    with _open(context) as services:
        found = services.accept_audit()
    document = {"accepted": [finding.kind for finding in found]}
    context.emit(document) if context.machine else context.say(f"signed; {len(found)} findings were accepted")


@app.command()
def key(ctx: typer.Context) -> None:
    """Print the public key that the log is signed with, for whoever checks it elsewhere."""
    from pipeline.gallery import Anchor

    context: Context = ctx.obj
    pem = Anchor(context.settings.home).public_pem()
    context.emit({"public_key": pem}) if context.machine else context.say(pem.rstrip())


@app.command()
def show(
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    actor: Who = None,
    action: What = None,
    subject: Subject = None,
    last: Annotated[int, typer.Option("--last", min=1, help="At most so many, the newest.")] = 100,
) -> None:
    """Show the newest entries."""
    from collections import deque

    context: Context = ctx.obj
    with _open(context) as services:
        entries = deque(_entries(services, since, until, actor, action, subject), maxlen=last)
    if context.json_lines:
        for entry in entries:
            context.emit_line(_document(entry))
    elif context.json:
        context.emit({"entries": [_document(entry) for entry in entries]})
    else:
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for column in ("entry", "time (UTC)", "actor", "action", "target", "detail"):
            table.add_column(column, overflow="fold")
        for entry in entries:
            row = (
                str(entry.id),
                f"{entry.at:%Y-%m-%d %H:%M:%S}",
                entry.actor,
                entry.action,
                entry.target,
                entry.detail,
            )
            table.add_row(*map(cell, row))
        context.console().print(table)


@app.command()
def export(
    ctx: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", help="A new file; by default standard output.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV instead of JSON Lines.")] = False,
    head: Annotated[bool, typer.Option("--head", help="Only the signed end: a line to keep elsewhere.")] = False,
    since: Since = None,
    until: Until = None,
    actor: Who = None,
    action: What = None,
    subject: Subject = None,
) -> None:
    """Write the entries with their hashes as JSON Lines or CSV; JSON Lines end with the signed end of the log."""
    context: Context = ctx.obj
    if head and (as_csv or since or until or actor or action or subject):
        raise typer.BadParameter("--head is the end of the whole log: leave out --csv and what filters")
    with _open(context) as services:
        lines = (
            iter([json.dumps(signed_end(services)) + "\n"])
            if head
            else written(services, _entries(services, since, until, actor, action, subject), as_csv=as_csv)
        )
        if out is None:
            for line in lines:
                sys.stdout.write(line)
        else:
            with private.create(out, newline="") as file:
                file.writelines(lines)


def _open(context: Context) -> closing[Services]:
    context.note_no_gallery()
    return closing(context.services(reading=True))


def _entries(
    services: Services,
    since: str | None,
    until: str | None,
    actor: str | None,
    action: str | None,
    subject: str | None,
) -> Iterator[Entry]:
    uid = None
    if subject is not None:  # an erased subject has no name any more, but its id
        is_id = len(subject) == 32 and set(subject) <= set("0123456789abcdef")
        uid = subject if is_id else services.gallery.subject_id(subject)
    first, end = when.since(since), when.until(until)
    return services.audit(since=first, until=end, actor=actor, action=action, subject_id=uid)


def _document(entry: Entry) -> dict[str, Any]:
    return {"id": entry.id, "at": entry.at.isoformat(), **_without(entry), "detail": json.loads(entry.detail)}


def _without(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ("actor", "action", "target", "previous_hash", "entry_hash")}
