"""`knownface subject ...`: what a person may ask for."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import when
from app.cli.context import Context
from pipeline.counting import counted, people
from pipeline.gallery import private

if TYPE_CHECKING:
    from app.erasing import Erasure
    from app.services import Services

app = typer.Typer(
    help="A person's rights: consent, a copy of everything held, erasure, legal hold, retention.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="SUBJECT", help="The subject's name, exactly as it is listed.")]
_SHOWN = 20
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; only a terminal is asked anyway.")]


@app.command()
def consent(
    ctx: typer.Context,
    subject: Name,
    add: Annotated[str | None, typer.Option("--add", metavar="PURPOSE", help="Record a consent for this.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="It ends with this day (UTC).")] = None,
    basis: Annotated[str, typer.Option("--basis", help="The legal basis.")] = "consent",
    text: Annotated[str | None, typer.Option("--text", help="Which wording was agreed to.")] = None,
    evidence: Annotated[str | None, typer.Option("--evidence", help="Where the signed paper is.")] = None,
    given_by: Annotated[str | None, typer.Option("--given-by", help="Who agreed, if not the subject.")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Withdraw what is in force.")] = False,
    purpose: Annotated[str | None, typer.Option("--purpose", help="With --withdraw: only for this purpose.")] = None,
) -> None:
    """Show, record or withdraw a person's consents. What is withdrawn is erased by `subject expire`, or `erase`."""
    from pipeline.gallery import NewConsent

    context: Context = ctx.obj
    if add is not None and withdraw:
        raise typer.BadParameter("give either --add or --withdraw")
    with _open(context) as services:
        if add is not None:
            services.consent(subject, NewConsent(add, basis, when.until(until), text, evidence, given_by))
        gone = services.withdraw(subject, purpose) if withdraw else 0
        found = services.gallery.consents(subject)
    if context.machine:
        rows = [one.as_dict() for one in found]
        context.emit({"subject": subject, "consents": rows, "withdrawn": gone})
        return
    if withdraw:
        context.say(f"withdrawn: {gone}")
    for one in found:
        end = f", until {when.last_day(one.expires)}" if one.expires else ""
        gone_at = f", withdrawn {one.withdrawn:%Y-%m-%d}" if one.withdrawn else ""
        context.say(f"{one.id}  {one.purpose} ({one.basis}), given {one.given:%Y-%m-%d}{end}{gone_at}")
    if not found:
        context.say(f"{subject} has given no consent")


@app.command()
def hold(
    ctx: typer.Context,
    subject: Name,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; needed to place a hold.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="It ends with this day (UTC).")] = None,
    release: Annotated[bool, typer.Option("--release", help="Lift the hold.")] = False,
) -> None:
    """Place a legal hold: nobody erases the person until it ends or is lifted."""
    context: Context = ctx.obj
    if release == (reason is not None):
        raise typer.BadParameter("give --reason to place a hold, or --release to lift it")
    with _open(context) as services:
        if release:
            there = services.release(subject)
            text = "the hold is lifted" if there else "there was no hold"
        else:
            services.hold(subject, reason or "", when.until(until))
            text = "held" + (f" until {until}" if until else "")
    context.emit({"subject": subject, "hold": not release}) if context.machine else context.say(f"{subject}: {text}")


@app.command()
def accept(ctx: typer.Context, subject: Name, yes: Yes = False) -> None:
    """Take consents and legal hold as they stand, after somebody changed them without the key of the gallery.

    Look at them first: `subject consent`, `subject export`, and what the audit log says of them.
    """
    context: Context = ctx.obj
    with _open(context) as services:
        for row in [one.as_dict() for one in services.gallery.consents(subject)]:
            context.note(
                f"{row['purpose']}: given {row['given']}, until {row['expires']}, withdrawn {row['withdrawn']}"
            )
        if context.may_ask and not yes:
            context.confirm(
                f"take these consents of {subject}, and the legal hold or that there is none, as they stand?"
            )
        services.accept_rights(subject)
    context.emit({"accepted": subject}) if context.machine else context.say(f"{subject}: sealed as they stand")


@app.command()
def holds(ctx: typer.Context) -> None:
    """List the legal holds in force."""
    context: Context = ctx.obj
    with _open(context) as services:
        found = services.gallery.holds()
    if context.machine:
        context.emit(
            {
                "holds": [
                    {
                        "subject": h.subject,
                        "reason": h.reason,
                        "placed": h.placed.isoformat(),
                        "until": None if h.until is None else h.until.isoformat(),
                    }
                    for h in found
                ]
            }
        )
        return
    for one in found:
        until = f", until {when.last_day(one.until)}" if one.until else ""
        context.say(f"{one.subject}: {one.reason}, since {one.placed:%Y-%m-%d}{until} ({one.actor})")
    if not found:
        context.say("nobody is under a legal hold")


@app.command()
def export(
    ctx: typer.Context,
    subject: Name,
    out: Annotated[Path | None, typer.Option("--out", help="A new ZIP file with pictures and JSON.")] = None,
) -> None:
    """Give out everything held about a person: as one JSON document, or as a ZIP with the pictures."""
    context: Context = ctx.obj
    with _open(context) as services:
        files = services.export_subject(subject, out)
        if out is None:
            context.emit(services.everything(subject))
            return
    document = {"exported": subject, "file": str(out), "files": files}
    sentence = f"exported {subject} to {out}: {counted(files, 'file')}; it holds personal data, keep it safe"
    context.emit(document) if context.machine else context.say(sentence)


@app.command()
def erase(
    ctx: typer.Context,
    subject: Name,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="A new JSON file that says what was done.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Erase a person from gallery, runs and caches, and look for what might be left. Exit code 1: something is."""
    from app.cli.models_switch import working

    context: Context = ctx.obj
    if certificate is not None and certificate.exists():
        raise typer.BadParameter(f"{certificate} is there already")
    with _open(context) as services:
        services.is_unfinished(subject)
        if context.may_ask and not yes:
            context.confirm(f"erase {subject} and everything held about them, for good?")
        with working(context) as told:
            done = services.erase(subject, told=told)
    if certificate is not None:
        with private.create(certificate) as file:
            file.write(json.dumps(done.as_dict(), indent=2) + "\n")
    if context.machine:
        context.emit({"erased": subject, **done.as_dict()})
    else:
        _show_erasure(context, subject, done)
    raise typer.Exit(0 if done.complete else 1)


@app.command()
def expire(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list whose time is over.")] = False,
    yes: Yes = False,
) -> None:
    """Erase whose time is over by the policy: consents that ended, photos and runs that are too old."""
    context: Context = ctx.obj
    with _open(context) as services:
        if context.may_ask and not yes and not dry_run:
            planned = services.retain(dry_run=True)
            due = people(sum(not one.held for one in planned.due))
            context.confirm(f"erase {due} and {counted(len(planned.runs), 'run')}?")
        result = services.retain(dry_run=dry_run)
    if context.machine:
        context.emit(
            {
                "due": [
                    {"subject": d.subject, "reason": d.reason, "since": d.since.isoformat(), "held": d.held}
                    for d in result.due
                ],
                "runs": list(result.runs),
                "erased": [one.as_dict() for one in result.erased],
            }
        )
    else:
        for one in result.due:
            what = "is under a legal hold and stays" if one.held else "would be erased" if dry_run else "erased"
            context.say(f"{one.subject}: {what} ({one.reason}, {one.since:%Y-%m-%d})")
        for text in [text for one in result.erased for text in (*one.left, *one.absent)][:_SHOWN]:
            context.note(text)
        for name in result.runs:
            context.say(f"run {name}: {'would be removed' if dry_run else 'removed'}")
        if not result.due and not result.runs:
            context.say("nobody's time is over")
    raise typer.Exit(0 if all(one.complete for one in result.erased) else 1)


def _open(context: Context) -> closing[Services]:
    context.note_no_gallery()
    return closing(context.services(reading=True))


def _show_erasure(context: Context, subject: str, done: Erasure) -> None:
    scan: Any = done.scan
    if done.samples:
        context.say(f"erased {subject}: {counted(done.samples, 'sample')}, {counted(done.run_faces, 'face')} of runs")
    else:
        context.say(f"nobody is enrolled as {subject}; what an erasure that was killed had left is done now")
    if done.results or done.placed or done.sidecars:
        context.say(
            f"{counted(len(done.results), 'result file')} written anew, {done.placed:,} links and copies removed from "
            f"sorted folders, the name taken out of {counted(done.sidecars, 'XMP sidecar')}"
        )
    for text in done.not_written:
        context.note(f"could not be written anew: {text}")
    for text in (*done.left, *done.absent)[:_SHOWN]:
        context.note(text)
    if (more := len(done.left) + len(done.absent) - _SHOWN) > 0:
        context.note(f"and {more:,} more, which the certificate names")
    context.say(f"looked through {counted(scan.files, 'file')} ({scan.size:,} bytes) for vectors, crops and the name")
    for trace in scan.traces:
        why = f" (also {', '.join(done.others)})" if trace.what == "name" and done.others else ""
        context.say(f"still there: a {trace.what} in {trace.file}{why}")
    for file in scan.unread:
        context.say(f"could not be read: {file}")
    for link in scan.links:
        context.note(f"a link, not followed: nobody has looked at what lies behind {link}")
    context.say(f"certified by entry {done.entry[0]} of the audit log, {done.entry[1]}")
    for text in done.as_dict()["not_reached"]:
        context.note(f"not reached: {text}")
