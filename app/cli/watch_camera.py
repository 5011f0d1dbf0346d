"""`knownface watch-camera SOURCE`: who comes and goes before a camera, as lines."""

from __future__ import annotations

import sys
import time
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import Context

if TYPE_CHECKING:
    from app.services import Services
    from app.video.watch import Event, Watcher
    from pipeline.video.live import LiveFrames

_LOOK_S = 0.25  # without a frame, who has left is looked up so often


def register(app: typer.Typer) -> None:
    """Adds the command to the root."""
    app.command("watch-camera")(watch_camera)


def watch_camera(
    ctx: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A webcam's number, a URL (rtsp, http, …) or a file.")
    ],
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.0, help="Stop after so many; by default at Ctrl-C.")
    ] = None,
) -> None:
    """Say who appears before a camera and who leaves, with time and score; no display is needed."""
    context: Context = ctx.obj
    if context.json:
        raise typer.BadParameter("what has no end is not one document: use --json-lines")
    from pipeline.extra import need

    need("video", "av")
    from app.video.watch import Watcher
    from pipeline.video.limits import VideoLimits
    from pipeline.video.live import LiveFrames
    from pipeline.video.live_source import LiveSource

    place = LiveSource.of(source)
    context.note_no_gallery()
    with closing(context.services(reading=True)) as services, suppress(KeyboardInterrupt):
        _ready(context, services)
        limits = VideoLimits(max_pixels=services.settings.video_max_pixels)
        with LiveFrames(place, limits, context.note) as frames:
            start = time.monotonic()
            watcher = Watcher(services, datetime.now(UTC) - timedelta(seconds=start))
            try:
                _watch(context, frames, watcher, None if seconds is None else start + seconds)
            finally:  # also at Ctrl-C
                _show(context, watcher.finish())
    context.note(f"{place.name}: not watched any more")


def _ready(context: Context, services: Services) -> None:
    """Loads the models and the gallery before the first frame comes, and says what is to be said about them."""
    services.open_gallery_if_there()
    _ = services.recognizer.model_id
    if not len(services.gallery):
        context.note("nobody is enrolled in this gallery, so every face is unknown: knownface enrol SUBJECT PHOTO...")
        return
    for note in filter(None, (services.stages_note(), services.score_note())):
        context.note(note)


def _watch(context: Context, frames: LiveFrames, watcher: Watcher, until_s: float | None) -> None:
    """Takes the newest frame every `video_interval_ms`, or as often as it can be looked at."""
    interval_s, due_s = watcher.services.settings.video_interval_ms / 1000, 0.0
    while until_s is None or time.monotonic() < until_s:
        time.sleep(min(max(0.0, due_s - time.monotonic()), _LOOK_S))
        if time.monotonic() < due_s:
            continue
        try:
            taken = frames.take(_LOOK_S)
        except EOFError:
            return
        if taken is None:
            _show(context, watcher.tick(time.monotonic()))
            continue
        time_s, photo = taken
        due_s = time_s + interval_s
        _show(context, watcher.look(photo, time_s))


def _show(context: Context, events: list[Event]) -> None:
    for event in events:
        if context.json_lines:
            context.emit_line(event.as_dict())
            continue
        decision = event.decision
        who = decision.subject or f"({decision.kind})"
        score = "" if decision.score is None else f" {decision.score:.3f}"
        stayed = f" after {event.seconds:.1f} s" if event.kind == "left" else ""
        when = event.at.astimezone().isoformat(sep=" ", timespec="seconds")
        context.say(f"{when}  {event.number} {event.kind}: {who}{score}{stayed}")
        sys.stdout.flush()  # also where it is a pipe
