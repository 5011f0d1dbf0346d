"""How far a run is, on stderr: bars on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.runs.session import Standing
from pipeline.counting import counted

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from app.cli.context import Context

_PLAIN_S, _JSON_S = 10.0, 1.0


class RunProgress:
    """Shows the standing of a run.

    Args:
        context: Whether stderr is a terminal, whether a program reads, and whether to be quiet.
        clock: Seconds, growing.
    """

    def __init__(self, context: Context, clock: Callable[[], float] = time.monotonic) -> None:
        self._context, self._clock = context, clock
        self._bar: tuple[Progress, TaskID] | None = None
        self._last, self._start, self._phase = clock(), clock(), ""
        self._watches = False

    def note(self, text: str) -> None:
        """A line for people; for programs an event."""
        if self._context.machine:
            self._event("note", message=text)
        else:
            self._context.note(text)

    def show(self, standing: Standing) -> None:
        """Shows it, unless it was shown just now."""
        if self._context.quiet:
            return
        changed, now = standing.phase != self._phase, self._clock()
        if changed and standing.phase == "running":
            self._start = now
        self._phase = standing.phase
        if not self._context.machine and sys.stderr.isatty():
            self._on_terminal(standing)
        elif changed or now - self._last >= (_JSON_S if self._context.machine else _PLAIN_S):
            self._last = now
            self._line(standing, changed=changed)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar[0].stop()
            self._bar = None

    def _figures(self, standing: Standing) -> tuple[float, float | None]:
        """Files a second, and seconds that are left, where that can be said."""
        elapsed, done = self._clock() - self._start, standing.done - standing.before
        rate = done / elapsed if elapsed > 0 else 0.0
        return rate, (standing.total - standing.done) / rate if rate and standing.phase == "running" else None

    def _line(self, standing: Standing, *, changed: bool) -> None:
        rate, left = self._figures(standing)
        if self._context.machine:
            said: dict[str, Any] = {name: getattr(standing, name) for name in Standing.__slots__}
            files_per_s, left_s = round(rate, 2), None if left is None else round(left, 1)
            self._event("progress", **said, files_per_s=files_per_s, left_s=left_s)
        elif changed and standing.phase == "watching":
            self._context.note(_watched(standing) if self._watches else "watching for new files; Ctrl-C ends it")
            self._watches = True
        elif not changed and standing.phase == "running":
            rest = "" if left is None else f", {_duration(left)} left"
            self._context.note(f"{_words(standing)}, {rate:.1f} files a second{rest}")

    def _event(self, event: str, **said: Any) -> None:
        if not self._context.quiet:
            sys.stderr.write(json.dumps({"event": event, **said}) + "\n")
            sys.stderr.flush()

    def _on_terminal(self, standing: Standing) -> None:
        rate, left = self._figures(standing)
        bar, task = self._bar or self._new_bar()
        bar.update(
            task,
            total=standing.total if standing.phase == "running" else None,
            completed=standing.done,
            description=standing.phase,
            words=_words(standing),
            rate=f"{rate:.1f}/s",
            left="" if left is None else f"{_duration(left)} left",
        )

    def _new_bar(self) -> tuple[Progress, TaskID]:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        columns = [TextColumn("{task." + name + "}") for name in ("fields[words]", "fields[rate]", "fields[left]")]
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            *columns,
            console=self._context.console(stderr=True),
            transient=True,
        )
        bar.start()
        self._bar = bar, bar.add_task("", words="", rate="", left="")
        return self._bar


def _words(standing: Standing) -> str:
    files, faces = counted(standing.total, "file"), counted(standing.faces, "face")
    said = f"{standing.done:,} of {files}, {faces}, {standing.named:,} named"
    return said + (f", {standing.failed:,} failed" if standing.failed else "")


def _watched(standing: Standing) -> str:
    done = standing.done - standing.before
    if not done:
        return "the gallery was changed, so everything is decided anew"
    return f"{counted(done, 'more file')} done: {counted(standing.faces, 'face')}, {standing.named:,} named"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
