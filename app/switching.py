"""The change of a gallery to another model, as a job: embed everybody, carry the thresholds over, switch in one step.

Searches go on with the old model all the while, in this process and others. The job may be killed at any time: whoever
starts it again goes on where it was. How far it is stands in the gallery (`Switching.progress`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from app.carry import Carried, carry
from app.reembed import Made, PhotoFolders, Problem, Reembedder, in_batches
from pipeline.config import Settings
from pipeline.counting import counted, people
from pipeline.errors import CalibrationError, KnownfaceError, ModelMissingError, PhotoError, SwitchRefusedError
from pipeline.gallery import Gallery, Model
from pipeline.gallery.switching import Switching
from pipeline.gallery.waiting import Waiting

#: Samples that are embedded and committed together: what a kill loses, and the writing another process waits for.
BATCH = 64
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class How:
    """In which way a gallery is changed to another model.

    Attributes:
        photos: Folders of the original photos, for samples without a crop that fits.
        leave_behind: Go on although somebody cannot be embedded.
        share: Share of the time that may be spent embedding, in (0, 1]; the rest is left to searches.
        calibrate_on: Folder with a sub-folder per person to measure the thresholds on, instead of the gallery.
        no_point: Go on although nothing says which score is a match with the new model.
        prepare: Embed everybody and measure the thresholds, but go on searching with the old model.
        keep_points: Take the new model's thresholds as they are (going back to a model).
    """

    photos: Sequence[Path] = ()
    leave_behind: bool = False
    share: float = 1.0
    calibrate_on: Path | None = None
    no_point: bool = False
    keep_points: bool = False
    prepare: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it.

    Attributes:
        before: The model of before; None where the gallery had nobody.
        now: The model that is used from now on; that was prepared, where nothing was switched.
        switched: Whether the gallery is searched with it.
        samples: Samples in the gallery.
        embedded: How many of them this call embedded.
        left_behind: Samples without a template of the new model, and why.
        points: What was said about the thresholds.
        seconds: How long it took.
    """

    before: str | None
    now: str
    switched: bool
    samples: int
    embedded: int
    left_behind: tuple[Problem, ...]
    points: str
    seconds: float

    def as_document(self) -> dict[str, Any]:
        """As it goes into JSON."""
        return {
            "from": self.before,
            "to": self.now,
            "switched": self.switched,
            "samples": self.samples,
            "embedded": self.embedded,
            "left_behind": [problem.as_document() for problem in self.left_behind],
            "points": self.points,
            "seconds": round(self.seconds, 3),
        }


def _say_nothing(done: int, total: int) -> None:
    """Nobody wants to know how far it is."""


@dataclass
class Change:
    """One change of one gallery.

    Args:
        gallery: Opened by the new model.
        settings: With the new embedder.
        how: In which way.
        named: The model of the settings of before, for a gallery that does not say its own.
        told: Called with (done, total) samples after each batch.
    """

    gallery: Gallery
    settings: Settings
    how: How = field(default_factory=How)
    named: str | None = None
    told: Callable[[int, int], None] = _say_nothing
    _problems: dict[int, Problem] = field(default_factory=dict)
    _embedded: int = 0
    _note: dict[str, Any] = field(default_factory=dict)
    _embedder: Reembedder | None = None

    def run(self) -> Done:
        """Does it.

        Raises:
            SwitchRefusedError: Somebody cannot be embedded, or nothing says which score is a match; nothing changed for
                searches, and what was embedded is kept for the next time.
            GalleryBusyError: Another process is changing this gallery.
            GalleryError, ModelError: As the gallery and the models do.
        """
        start, work, target = time.monotonic(), self.gallery.switching(), self.gallery.model
        with work.alone():
            before = self._before(work, target)
            if before is not None:
                work.begin(before)
            total, lacking = work.count(target.model_id)
            self._note = {"from": before.model_id if before else None, "to": target.model_id, "total": total}
            self._note |= {"done": total - lacking, "state": "embedding", "started_us": time.time_ns() // 1000}
            try:
                carried = self._switch(work, before, target)
            except KnownfaceError as error:
                work.note(self._note | {"state": "refused", "message": _kept(error)})
                raise
        left = tuple(self._problems.values())
        old = before.model_id if before else None
        return Done(
            old,
            target.model_id,
            not self.how.prepare,
            work.count(target.model_id)[0],
            self._embedded,
            left,
            carried.said,
            time.monotonic() - start,
        )

    def _before(self, work: Switching, target: Model) -> Model | None:
        """The model the gallery is searched with; where it does not say, the settings' or else the most frequent."""
        state = work.state()
        if state is not None:
            return state.model
        counts = work.models()
        if not counts:
            return None
        known = self.named is not None and self.named in counts
        model_id = self.named if known else max(counts, key=lambda name: (name != target.model_id, counts[name]))
        assert model_id is not None  # noqa: S101 - narrows the type
        return Model(model_id, work.dimension_of(model_id) or target.dimension)

    def _switch(self, work: Switching, before: Model | None, target: Model) -> Carried:
        self._expect(work, target)
        self._embed(work, target)
        self._refuse_unless_told()
        self._note |= {"state": "preparing"}
        work.note(self._note)
        carried = self._carry(work, before, target)
        for kind, body in carried.documents.items():  # nobody uses them yet; a kill does not cost the measuring again
            self.gallery.put_document(kind, body)
        if self.how.prepare:
            work.note(self._note | {"state": "prepared", "message": carried.said})
            return carried
        if self._note["total"]:
            self.gallery.load()
            self.gallery.save_index()  # whoever follows the step reads it instead of the database
        while True:
            self._embed(work, target)
            self._refuse_unless_told()
            done = self._note | {"state": "done", "left_behind": len(self._problems), "message": carried.said}
            last = partial(self._last, target)
            if work.commit(target, self._problems, {}, done, last):
                return carried

    def _last(self, target: Model, rows: list[Waiting]) -> list[Made]:
        """Templates of those who were enrolled a moment before the step."""
        made = self._reembedder(target).embed(rows)
        good = [row for row in made if isinstance(row, Made)]
        self._embedded += len(good)
        return good

    def expected(self) -> tuple[Problem, ...]:
        """The samples that cannot be embedded, as far as that can be told without doing it; nothing is changed.

        Raises:
            GalleryError, ModelError: As the gallery and the models do.
        """
        self._find_problems(self.gallery.switching(), self.gallery.model)
        return tuple(self._problems.values())

    def _expect(self, work: Switching, target: Model) -> None:
        """Finds those who cannot be embedded before any work is done."""
        self._find_problems(work, target)
        self._refuse_unless_told()

    def _find_problems(self, work: Switching, target: Model) -> None:
        for batch in in_batches(partial(work.waiting, target.model_id, limit=50 * BATCH, heads=True)):
            self._keep(self._reembedder(target).expected(batch))

    def _reembedder(self, target: Model) -> Reembedder:
        if self._embedder is None:
            workers = max(1, self.settings.worker_count // 2)
            self._embedder = Reembedder(self.settings, PhotoFolders(self.how.photos), workers)
            if self._embedder.model_id != target.model_id:
                raise ModelMissingError(
                    f"{target.model_id} is not installed any more, but {self._embedder.model_id} under that name: "
                    "install the former again"
                )
        return self._embedder

    def _embed(self, work: Switching, target: Model) -> None:
        """Embeds everybody who lacks a template, also those who are enrolled meanwhile."""
        fetch, found = partial(work.waiting, target.model_id, limit=BATCH), True
        while found:
            found = False
            for batch in in_batches(fetch):
                rows = [sample for sample in batch if sample.key not in self._problems]
                if rows:
                    found = True
                    self._commit(work, target, rows)

    def _commit(self, work: Switching, target: Model, rows: Sequence[Waiting]) -> None:
        began = time.monotonic()
        made = self._reembedder(target).embed(rows)
        self._keep([row for row in made if isinstance(row, Problem)])
        good = [row for row in made if isinstance(row, Made)]
        self._embedded += work.add(target, good, self._progress(len(good)))
        self.told(self._note["done"], self._note["total"])
        busy = time.monotonic() - began
        time.sleep(busy * (1 / self.how.share - 1))

    def _progress(self, more: int) -> dict[str, Any]:
        done = self._note["done"] + more
        self._note |= {"state": "embedding", "done": done, "left_behind": len(self._problems)}
        self._note["total"] = max(self._note["total"], done + len(self._problems))
        return self._note

    def _keep(self, problems: Sequence[Problem]) -> None:
        self._problems |= {problem.key: problem for problem in problems}

    def _refuse_unless_told(self) -> None:
        if not self._problems or self.how.leave_behind:
            return
        problems = list(self._problems.values())
        said = (
            f"cannot be embedded with {self.gallery.model_id}: give the original photos with --photos DIR (more than "
            "once for several folders), or leave these people behind with --leave-behind: then they are searched with "
            "the old model until they are enrolled again"
        )
        raise SwitchRefusedError(
            f"{_summary(problems)} {said}",
            problems=[problem.as_document() for problem in problems],
            nameless=f"{counted(len(problems), 'sample')} of {people(len({one.subject for one in problems}))} {said}",
        )

    def _carry(self, work: Switching, before: Model | None, target: Model) -> Carried:
        if before is None or before == target or not self._note["total"]:
            return Carried({}, "")
        return carry(
            self.gallery,
            self.settings,
            work.documents_of(before.model_id),
            work.documents_of(target.model_id),
            folder=self.how.calibrate_on,
            required=not (self.how.no_point or self.how.prepare),
            as_they_are=self.how.keep_points,
        )


def _kept(error: KnownfaceError) -> str:
    """What of a refusal may be kept in the gallery: no name, and no path, which may hold one."""
    if isinstance(error, SwitchRefusedError):
        return error.nameless
    return error.code if isinstance(error, CalibrationError | PhotoError) else error.message


def _summary(problems: Sequence[Problem]) -> str:
    """How many samples of whom, and for which reasons; each sample is listed beside the message."""
    names = list(dict.fromkeys(problem.subject for problem in problems))
    reasons = list(dict.fromkeys(problem.reason for problem in problems))
    who = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    why = "; ".join(reasons[:_SHOWN]) + ("; and for other reasons" if len(reasons) > _SHOWN else "")
    return f"{counted(len(problems), 'sample')} of {people(len(names))} ({who}: {why})"
