"""`knownface enrol | verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import when
from app.cli.context import Context
from pipeline.errors import PhotoNotFoundError

if TYPE_CHECKING:
    from app.services import Enrolment
    from pipeline.gallery import NewConsent


def register(app: typer.Typer) -> None:
    """Adds the two commands to the root."""
    app.command()(enrol)
    app.command()(verify)


def enrol(
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="SUBJECT PHOTO...", help="A name, then photos.")] = None,
    folder: Annotated[Path | None, typer.Option("--folder", help="Enrol DIR/SUBJECT/*.jpg, a folder a person.")] = None,
    face: Annotated[
        int | None,
        typer.Option("--face", min=1, help="Which face to take where there are several; 1 is the most prominent."),
    ] = None,
    purpose: Annotated[str | None, typer.Option("--consent-purpose", help="Record a consent for this.")] = None,
    until: Annotated[
        str | None, typer.Option("--consent-until", metavar="DATE", help="It ends with this day (UTC).")
    ] = None,
    text: Annotated[str | None, typer.Option("--consent-text", help="Which wording was agreed to.")] = None,
    evidence: Annotated[str | None, typer.Option("--consent-evidence", help="Where the signed paper is.")] = None,
    refuse: Annotated[
        bool,
        typer.Option(
            "--refuse-lookalikes",
            help="Refuse a photo that looks most like somebody else, where a warning is the rule.",
        ),
    ] = False,
) -> None:
    """Enrol a person from photos, or a folder with a sub-folder per person.

    A photo that looks like somebody else who is enrolled, or unlike the person's others, is enrolled with a warning.
    """
    context: Context = ctx.obj
    consent = consent_of(purpose, until, text, evidence)
    items = _enrolment_items(words or [], folder)
    services = context.services()
    enrolled: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    if note := services.stages_note():
        context.note(note)
    rows = services.enrol_many(items, face=face, consent=consent, refuse_lookalikes=refuse)
    for row in context.progress(rows, len(items), "enrolling"):
        document = _enrolment_row(row)
        (failed if row.error else enrolled).append(document)
        context.emit_line(document)
        if not context.machine:
            _show_enrolment(context, row)
        if row.warnings:
            _warn(context, row)
    services.close()
    if context.json:
        context.emit({"enrolled": enrolled, "failed": failed})
    if failed:
        context.note(f"{len(enrolled)} enrolled, {len(failed)} failed")
        raise typer.Exit(3)


def consent_of(
    purpose: str | None, until: str | None, text: str | None = None, evidence: str | None = None
) -> NewConsent | None:
    """The consent that the options of a command describe; None where there is none.

    Raises:
        BadParameter: There is no purpose.
    """
    if purpose is None:
        if until or text or evidence:
            raise typer.BadParameter("give --consent-purpose with the other consent options")
        return None
    from pipeline.gallery import NewConsent

    return NewConsent(purpose, expires=when.until(until), text_version=text, evidence=evidence)


def _enrolment_items(words: list[str], folder: Path | None) -> list[tuple[str, str | Path]]:
    from app.photos import photos_in
    from pipeline.images import one_line

    if folder is None:
        if len(words) < 2:
            raise typer.BadParameter("give a name and at least one photo, or --folder DIR")
        from pipeline.gallery import normalise

        normalise(words[0])  # a name that cannot be used is an error, not a row for each photo
        return [(words[0], photo) for photo in words[1:]]
    if words:
        raise typer.BadParameter("give either a name and photos, or --folder DIR")
    if not folder.is_dir():
        raise PhotoNotFoundError(f"{one_line(str(folder))}: there is no such folder; check --folder")
    people = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    items: list[tuple[str, str | Path]] = [(person.name, photo) for person in people for photo in photos_in(person)]
    if not items:
        raise PhotoNotFoundError(f"{one_line(str(folder))}: holds no photos; a folder per person is expected")
    return items


def _enrolment_row(row: Enrolment) -> dict[str, Any]:
    if row.error:
        return {"photo": row.photo, "subject": row.subject, **row.error.as_dict()}
    said = {"subject": row.subject, "photo": row.photo, "sample_id": row.sample_id, "already": row.already}
    return said | {"warnings": [one.as_dict() for one in row.warnings]}


def _warn(context: Context, row: Enrolment) -> None:
    """Which photo is meant, what is odd about it, and what can be done; one line, for programs' users too."""
    alike = [one.subject for one in row.warnings if one.kind == "looks_like"]
    doubt = "; ".join(one.message for one in row.warnings)
    advice = "one person under two names: `gallery merge`" if alike else "somebody else: `gallery split`"
    context.note(f"warning: {row.photo}: enrolled as {row.subject}, but {doubt}; if it is {advice}")


def _show_enrolment(context: Context, row: Enrolment) -> None:
    if row.error:
        context.note(f"not enrolled: {row.error.message}")
    else:
        context.say(f"{'already enrolled' if row.already else 'enrolled'}: {row.subject} from {row.photo}")


def verify(
    ctx: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="A photo.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another photo.")],
    face_a: Annotated[
        int | None, typer.Option("--face-a", min=1, help="Which face of A; 1 is the most prominent.")
    ] = None,
    face_b: Annotated[
        int | None, typer.Option("--face-b", min=1, help="Which face of B; 1 is the most prominent.")
    ] = None,
) -> None:
    """Say whether two photos show the same person. Exit code 0: yes, 1: no, 3: an error."""
    context: Context = ctx.obj
    services = context.services("few")
    result = services.verify(a, b, face_a=face_a, face_b=face_b)
    decision = result.decision
    if context.machine:
        context.emit(
            {
                "decision": decision.kind,
                "score": decision.score,
                "threshold": decision.threshold,
                "model_id": decision.model_id,
                "reason": decision.reason,
                "probability": decision.probability,
                "log_likelihood_ratio": decision.log_ratio,
                "operating_point": decision.origin,
                "runtime": services.recognizer.runtimes,
            }
        )
    else:
        answer = {"match": "match", "poor_image": "cannot say", "not_live": "not a live face"}.get(
            decision.kind, "no match"
        )
        context.say(f"{answer}: {decision.reason}")
        for name, count in ((a, result.faces_in_a), (b, result.faces_in_b)):
            if count > 1:
                context.note(f"{name} shows {count} faces; the most prominent one was compared (--face-a, --face-b)")
    raise typer.Exit(0 if decision.kind == "match" else 1)
