"""One run from beginning to end: walk, work, decide; and again, for as long as a folder is watched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from app.runs.decide import Decider
from app.runs.ledger import Found, Ledger, photos_alike
from app.runs.place import run_folder
from app.runs.recipe import recipe_of
from app.runs.records import Run
from app.runs.walk import Chosen, walk
from app.runs.work import Batch, Work
from app.services import Services
from pipeline.errors import NoOperatingPointError, PhotoNotFoundError, RunPathsError
from pipeline.images import one_line

Engine = Literal["local", "ray"]
Phase = Literal["walking", "running", "deciding", "watching"]
_WALKED = 1000  # paths that are noted together
_LOOK_S = 2.0
_REST = 10  # a look that took long is followed by a rest of so many times as long


@dataclass(slots=True)
class Standing:
    """How far a run is: files in all and done (of these before this time, and failed), faces found now, names given.

    `named` counts the faces that were named, `faces` all of them; both of this time only.
    """

    phase: Phase = "walking"
    total: int = 0
    done: int = 0
    before: int = 0
    failed: int = 0
    faces: int = 0
    named: int = 0


class Listener(Protocol):
    """Who is told how a run goes."""

    def standing(self, standing: Standing) -> None:
        """Something has changed."""
        ...

    def note(self, text: str) -> None:
        """Something that people should know."""
        ...

    def ready(self, run: Run) -> None:
        """The walk is over and the work begins: what is in the result by now was there before."""
        ...

    def committed(self, run: Run, batch: Batch) -> None:
        """These files are done, decided and durable."""
        ...

    def decided(self, run: Run) -> None:
        """Everything there is now is in the result, at one state of the gallery."""
        ...


@dataclass(frozen=True)
class Plan:
    """What a run is to do.

    Attributes:
        name: Of the run.
        roots: Absolute paths of files and folders.
        chosen: Which files of the folders.
        allow_repeats: Name one person more than once in a photo.
        home: The data folder that keeps the ledger, None for that of the settings.
        engine: Who analyses: this process, or the workers of a Ray cluster.
        replace_paths: Let go of what is done that is not below the roots, or not chosen, now.
    """

    name: str
    roots: tuple[str, ...]
    chosen: Chosen = field(default_factory=Chosen)
    allow_repeats: bool = False
    home: Path | None = None
    engine: Engine = "local"
    replace_paths: bool = False


class Session:
    """A run that this process works on; it holds the ledger until it is closed.

    Args:
        services: Recognizer, gallery and settings.
        plan: What to do.
        listener: Who is told.

    Raises:
        RunNameError, RunBusyError, RunDamagedError: As `Ledger`.
        RunPathsError: Files that are done lie outside the roots, or are not chosen any more, and nobody said that they
            may be let go.
    """

    def __init__(self, services: Services, plan: Plan, listener: Listener) -> None:
        self._services, self._plan, self._listener = services, plan, listener
        home = plan.home or services.settings.home
        self.run = Run(run_folder(home, plan.name), services.file_keys)
        self._ledger = Ledger(home, plan.name, services.file_keys)
        with ExitStack() as on_error:
            on_error.push(self._ledger)
            self._check_paths()
            on_error.pop_all()
        self._standing = Standing()
        self._unstable: dict[str, Found] = {}
        self._kept: list[str] = []

    def _check_paths(self) -> None:
        """A path with a typing error must not cost what took hours: files that leave a run are erased from it."""
        plan = self._plan
        if plan.replace_paths:
            return
        where, way_out = "outside these paths", "name their folder too"
        lost, first = self._ledger.outside(plan.roots)
        if not lost and (plan.chosen.include or plan.chosen.exclude):
            where, way_out = "that --include and --exclude leave out", "widen the patterns"
            lost, first = self._ledger.left_out(lambda path: plan.chosen.reaches(path, plan.roots))
        if lost:
            raise RunPathsError(
                f"the run {plan.name} holds {_files(lost)} {where}, such as {one_line(first)}: {way_out}, give this "
                "run another --run name, or let go of them with --replace-paths"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._ledger:
            end = "stopped" if kind else "finished"
            self._ledger.set_meta(state=end, finished=None if kind else _now())

    def once(self) -> None:
        """Walks, does what is to be done, and decides.

        Raises:
            ModelError, NoOperatingPointError, GalleryError: The run cannot even begin.
        """
        self._begin()
        self._phase("walking")
        self._walk(walk(self._plan.roots, self._plan.chosen), retry_failed=True)
        counts = self._ledger.counts()
        if (done := counts.get("done")) and counts.get("pending"):
            self._listener.note(f"going on: {done:,} of {_files(sum(counts.values()))} are done")
        self._work()

    def watch(self, wait: Callable[[float], None] = time.sleep) -> None:
        """After `once`: does the same again whenever something has changed, until it is interrupted.

        A file is taken once two looks in a row found it with the same size and date, so none that is still written.

        Args:
            wait: Sleeps for so many seconds.
        """
        while True:
            self._phase("watching")
            start = time.monotonic()
            self._walk(self._stable(walk(self._plan.roots, self._plan.chosen)), retry_failed=False)
            took = time.monotonic() - start
            if self._ledger.counts().get("pending") or self._is_stale():
                self._work()
            wait(max(_LOOK_S, _REST * took))

    def _begin(self) -> None:
        plan, settings = self._plan, self._services.settings
        self._services.open_gallery_if_there()  # it says by which model
        recipe = recipe_of(self._services)
        before = self._ledger.meta().get("recipe") or {}
        if self._ledger.start(
            recipe,
            model_id=recipe["model_id"],
            dimension=self._services.recognizer.dimension,
            roots=[one_line(root) for root in plan.roots],
            allow_repeats=plan.allow_repeats or settings.allow_repeats,
            pid=os.getpid(),
            started=_now(),
            finished=None,
        ):
            changed = [key for key in recipe if before.get(key) != recipe[key]]
            what = "video" if photos_alike(before, recipe) else "file"
            self._listener.note(
                f"the run {plan.name} was made with {', '.join(f'{key} = {before.get(key)}' for key in changed)}, now "
                f"{', '.join(str(recipe[key]) for key in changed)}: every {what} is analysed anew"
            )

    def _walk(self, found: Iterator[Found], *, retry_failed: bool) -> None:
        number = int(self._ledger.meta().get("walks", 0)) + 1
        self._ledger.set_meta(walks=number)
        unlisted: dict[str, tuple[str, str]] = {}
        while part := list(islice(found, _WALKED)):
            self._ledger.seen(part, number, retry_failed=retry_failed)
            unlisted |= {one.path: (one.error, one.message or "") for one in part if one.error}
            if self._standing.phase == "walking":
                self._standing.total += len(part)
            self._listener.standing(self._standing)
        self._ledger.still_there(self._kept, number)
        self._kept.clear()
        for root in self._plan.roots:
            if not os.path.lexists(root):  # a disk that is not there now: what it holds is kept
                unlisted[root] = (PhotoNotFoundError.code, f"{one_line(root)}: there is no such file; check the path")
        if gone := self._ledger.unseen(number, unlisted):
            are = "is" if gone == 1 else "are"
            self._listener.note(f"{_files(gone)} {are} no longer there, and left the result")

    def _stable(self, found: Iterable[Found]) -> Iterator[Found]:
        """What was the same for two looks; what was not stays as it was."""
        before, self._unstable = self._unstable, {}
        for one in found:
            is_known = self._ledger.signature(one.path) == (one.size, one.mtime_ns)
            if one.error or is_known or before.get(one.path) == one:
                yield one
            else:
                self._unstable[one.path] = one
                self._kept.append(one.path)

    def _work(self) -> None:
        counts = self._ledger.counts()
        finished = counts.get("done", 0) + counts.get("failed", 0)
        self._standing = Standing(total=sum(counts.values()), done=finished, before=finished)
        self._standing.failed = counts.get("failed", 0)
        self._phase("running")
        decider = self._decider()
        decider.decide()
        self._listener.ready(self.run)
        self._worker()(self._ledger, self._services, decider, self._committed).run()
        self._phase("deciding")
        after = self._decider()
        if after.basis != decider.basis:
            self._listener.note("the gallery was changed meanwhile, so everything is decided anew")
        after.decide()
        self._cluster()
        self._ledger.tidy()
        self._listener.decided(self.run)

    def _cluster(self) -> None:
        from app.unknowns import assign_clusters

        try:
            assign_clusters(self.run, self._services)
        except NoOperatingPointError as error:
            self._listener.note(error.message)

    def _worker(self) -> type[Work]:
        if self._plan.engine == "local":
            return Work
        from app.runs.ray_engine import RayWork

        return RayWork

    def _decider(self) -> Decider:
        return Decider(self._ledger.connection, self._services, self._plan.name)

    def _is_stale(self) -> bool:
        return self._ledger.meta().get("basis") != self._decider().basis

    def _committed(self, batch: Batch) -> None:
        standing = self._standing
        standing.done += len(batch.done)
        standing.failed += batch.failed
        standing.faces += batch.decisions.total()
        standing.named += batch.decisions["match"]
        self._listener.committed(self.run, batch)
        self._listener.standing(standing)

    def _phase(self, phase: Phase) -> None:
        self._standing.phase = phase
        self._ledger.set_meta(state=phase)
        self._listener.standing(self._standing)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
