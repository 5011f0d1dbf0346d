"""`knownface challenge new | check | camera`: does somebody there do what was asked a moment ago?"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import Context

if TYPE_CHECKING:
    from app.video.challenge import Answer
    from pipeline.challenge import Step

app = typer.Typer(
    help="Challenge and response: random movements of the head, followed on a video or before a camera.",
    no_args_is_help=True,
)

_MIRRORED = "Left and right are exchanged, as in videos of some phones' front cameras."

Mirrored = Annotated[bool, typer.Option("--mirrored", help=_MIRRORED)]


@app.command()
def new(ctx: typer.Context) -> None:
    """Make a challenge: what to do while a video is recorded, and the name under which it is checked, once."""
    context: Context = ctx.obj
    from app.video.challenge import new_for

    with closing(context.services(reading=True)) as services:
        made = new_for(services)
    if context.machine:
        context.emit({"nonce": made.nonce, "steps": list(made.steps), "expires": made.expires.isoformat()})
        return
    from pipeline.challenge import instructions

    for number, words in enumerate(instructions(made.steps), 1):
        context.say(f"{number}. {words}")
    context.say(f"then: knownface challenge check {made.nonce} VIDEO")
    context.note(f"until {made.expires.astimezone():%H:%M:%S}; the video has to begin after this was said")


@app.command()
def check(
    ctx: typer.Context,
    nonce: Annotated[str, typer.Argument(metavar="NONCE", help="What `challenge new` said.")],
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="The video that was recorded for it.")],
    mirrored: Mirrored = False,
) -> None:
    """Say whether a video follows a challenge, and who does. Exit code 0: yes, 1: no, 3: an error."""
    context: Context = ctx.obj
    from app.video.challenge import answer

    with closing(context.services(reading=True)) as services:
        _show(context, answer(services, nonce, video, mirrored=mirrored))


@app.command()
def camera(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A webcam's number, a URL (rtsp, http, …) or a file.")
    ],
    mirrored: Mirrored = False,
) -> None:
    """Ask for one movement after the other before a camera. Exit code 0: followed, 1: not, 3: an error."""
    context: Context = ctx.obj
    from pipeline.extra import need

    need("video", "av")
    from datetime import UTC, datetime

    from app.video.challenge import answer_at_camera, follower_of
    from pipeline.challenge import ChallengePolicy, new_challenge
    from pipeline.video.limits import VideoLimits
    from pipeline.video.live import LiveFrames
    from pipeline.video.live_source import LiveSource

    place = LiveSource.of(source)
    with closing(context.services(reading=True)) as services:
        services.open_gallery_if_there()
        made = new_challenge(ChallengePolicy(), datetime.now(UTC), blink=services.settings.eyes != "none")
        follower = follower_of(services, made.steps, mirrored=mirrored)
        limits = VideoLimits(max_pixels=services.settings.video_max_pixels)
        with LiveFrames(place, limits, context.note) as frames:
            answer = answer_at_camera(services, frames, follower, _ask)
    _show(context, answer)


def _ask(step: Step | None) -> None:
    """Says what is awaited: on stderr also with --quiet, since nobody could follow what they are not told."""
    from pipeline.challenge import STILL, WORDS

    typer.echo(WORDS[step] if step else STILL, err=True)


def _show(context: Context, answer: Answer) -> None:
    if context.machine:
        context.emit(answer.as_dict())
    else:
        context.say(answer.outcome.said)
        if answer.decision is not None:
            context.say(f"{answer.decision.subject or f'({answer.decision.kind})'}: {answer.decision.reason}")
    if not answer.outcome.followed:
        raise typer.Exit(1)
