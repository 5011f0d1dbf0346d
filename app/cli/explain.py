"""`knownface explain PHOTO SUBJECT`: why a face got that name, or did not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import Context
from pipeline.counting import counted

if TYPE_CHECKING:
    from app.explain import Explanation, FaceReport

_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command()(explain)


def explain(
    ctx: typer.Context,
    photo: Annotated[str, typer.Argument(metavar="PHOTO", help="A photo.")],
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Somebody who is enrolled.")],
) -> None:
    """Say why the faces in a photo are, or are not, taken for a person: scores, quality, threshold, what is missing."""
    context: Context = ctx.obj
    from app.explain import explain as ask

    services = context.services("few")
    found = ask(services, photo, subject)
    services.close()
    if context.machine:
        context.emit(found.as_dict())
    else:
        _show(context, found)


def _show(context: Context, found: Explanation) -> None:
    if not found.faces:
        context.say(f"no face was found in {found.photo}. {found.missed}")
    for face in found.faces:
        _show_face(context, found, face)


def _show_face(context: Context, found: Explanation, face: FaceReport) -> None:
    say, decision = context.say, face.decision
    x0, y0, x1, y1 = face.box
    say(f"face {face.number}: {decision.subject or decision.kind}. {decision.reason}")
    level = "" if found.point.min_norm is None else f" (measured down to {found.point.min_norm:.1f})"
    say(
        f"  {x1 - x0:.0f}x{y1 - y0:.0f} pixels at ({x0:.0f}, {y0:.0f}), {face.eye_distance_px:.0f} between the eyes; "
        f"detector's confidence {face.confidence:.2f}; quality of the template {face.norm:.1f}{level}"
    )
    rank = (
        "is enrolled, but not with a template of the model in use"
        if face.rank is None
        else f"is number {face.rank} among those enrolled"
    )
    best = "" if face.better is None else f"; the best other is {face.better[0]} ({face.better[1]:.3f})"
    say(f"  {found.subject} {rank}{best}")
    for photo, uid, score in face.scores[:_SHOWN]:
        say(f"  {score:.3f}  {photo} ({uid})")
    if len(face.scores) > _SHOWN:
        say(f"  and {counted(len(face.scores) - _SHOWN, 'photo')} less alike")
    for change in face.changes:
        say(f"  {change}")
