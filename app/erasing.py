"""Erasing somebody, or whatever is kept for too long, wherever it is kept; and the proof of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, cast

from app import traces
from app.access import Role
from app.upkeep import Upkeep
from pipeline.errors import LegalHoldError, RunBusyError, SubjectNotFoundError

if TYPE_CHECKING:
    from app.forgetting import Written
    from app.needles import Needle
    from app.runs import Run
    from app.runs.output.away import Away
    from app.services import Services
    from app.traces import Scan
    from pipeline.gallery import Due

_DAY_S = 86400.0
OUT_OF_REACH = (
    "backups made earlier",
    "exports, and what was written by runs without a name (no --run), by runs that were removed since, or by a "
    "version that did not note where",
    "photos: those that were read lie where they lay; their paths and SHA-256 stay in the lists of files of runs, so "
    "that a run does not look at them again, and go with `knownface runs remove`",
    "templates of photos that were only evaluated, never enrolled nor in a run: `knownface evaluate cache --clear`",
    "the audit log: it names nobody, and keeps the SHA-256 of photos where the policy logs each decision",
    "where the gallery is on a database server: that server's own files, write-ahead log and copies",
    "the memory of other processes until their next search",
)
"""What an erasure does not touch, as the certificate says it."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What became of an erasure.

    Attributes:
        subject_id: What the log calls the subject.
        samples: How many samples it had.
        run_faces: Faces that went from runs.
        results: Result files of runs that were written anew, without the subject.
        not_written: Why result files could not be written anew.
        placed: Links and copies that were removed from folders that runs have sorted into.
        sidecars: XMP sidecars that the name was taken out of.
        left: What runs have written and could not be cleaned, by path, and why.
        absent: Where they have written, and nothing is any more: moved, or on a disk that is not there.
        scan: What was looked at afterwards.
        others: Where the name stands for another reason, another subject's name for instance.
        entry: Number and hash of the log's entry that certifies it.
    """

    subject_id: str
    samples: int
    run_faces: int
    results: tuple[str, ...]
    not_written: tuple[str, ...]
    scan: Scan
    others: tuple[str, ...]
    entry: tuple[int, str]
    placed: int = 0
    sidecars: int = 0
    left: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is left: no trace but a name that stands there for another reason, and every file read.

        Places that are not there (`absent`) do not count: nobody can tell whether they are anywhere.
        """
        mine = [trace for trace in self.scan.traces if trace.what != "name" or not self.others]
        return not mine and not self.scan.unread and not self.not_written and not self.left

    def as_dict(self) -> dict[str, Any]:
        """The certificate, as it goes into JSON; it names nobody."""
        return {
            "subject_id": self.subject_id,
            "samples": self.samples,
            "run_faces": self.run_faces,
            "complete": self.complete,
            "results_written_anew": list(self.results),
            "results_not_written": list(self.not_written),
            "sorted_removed": self.placed,
            "sidecars_changed": self.sidecars,
            "left_as_it_was": list(self.left),
            "not_there": list(self.absent),
            "scan": asdict(self.scan),
            "name_also_stands_as": list(self.others),
            "not_reached": list(OUT_OF_REACH),
            "audit_entry": {"id": self.entry[0], "entry_hash": self.entry[1]},
        }


@dataclass(frozen=True, slots=True)
class Retained:
    """What a retention job has found, and done unless it only looked.

    Attributes:
        due: Whose time is over.
        runs: Names of the runs whose time is over.
        erased: What became of each who was erased.
    """

    due: tuple[Due, ...]
    runs: tuple[str, ...]
    erased: tuple[Erasure, ...]


class Erasing(Upkeep):
    """What `Rights` inherits: erasure, and the retention job."""

    def run_faces_of(self, subject: str) -> int:
        """How many faces of runs an erasure of the subject takes with it."""
        from app.runs.forget import held_of

        photos = [sample.photo_sha256 for sample in self.gallery.subject(subject).samples]
        return held_of(self.settings.home, photo_sha256s=photos, subject=subject, keys=self.file_keys)

    def erase(self, subject: str, reason: str = "request", told: Callable[[str], None] = lambda _: None) -> Erasure:
        """Erases a subject from gallery, runs, jobs and caches, and from what runs have written elsewhere.

        Then it looks for what might be left, and certifies that in the log. Where a process was killed at it, the next
        erasure of the same subject finishes it.

        Raises:
            NotAllowedError: The actor is no admin.
            SubjectNotFoundError: There is no such subject.
            LegalHoldError: It is under a legal hold.
        """
        from app.forgetting import forget_person, owe_results, rewrite_results

        self.require(Role.ADMIN)
        gallery, services = self.gallery, cast("Services", self)
        if self.is_unfinished(subject):
            return self._finish(subject, told)
        gallery.require_erasable(subject)
        held = gallery.export(subject)
        name, needles = held["subject"], traces.needles_of(held)
        forgotten, away = forget_person(services, name, told)
        owe_results(services, needles)
        told("erasing the person from the gallery")
        uid = gallery.erase(subject, reason)
        if "://" in self.settings.gallery_location:
            gallery.compact()  # the server's pages are written anew
        gallery.load()
        written = rewrite_results(services, told)
        told("looking for what is left")
        scan = self._look_for(needles, [*written.files, *away.looked])
        others = tuple(gallery.stands_as(name))
        return self._certified(uid, scan, others, written, away, samples=len(held["samples"]), faces=forgotten.faces)

    def is_unfinished(self, subject: str) -> bool:
        """Whether nobody is called so, and a process was killed that erased somebody: `erase` does the rest.

        Raises:
            SubjectNotFoundError: There is no such subject, and nothing to finish.
        """
        from app.forgetting import owed

        try:
            self.gallery.subject(subject)
        except SubjectNotFoundError:
            if self.uncertified() or owed(cast("Services", self)):
                return True
            raise
        return False

    def _finish(self, name: str, told: Callable[[str], None]) -> Erasure:
        """What a killed process has left of an erasure; of the person only the name is known, which is looked for."""
        from app.forgetting import rewrite_results
        from app.runs.output.away import Away

        targets = self.uncertified()
        written = rewrite_results(cast("Services", self), told)
        told("looking for what is left")
        scan = self._look_for(traces.needles_of({"subject": name, "samples": []}), written.files)
        others = tuple(self.gallery.stands_as(name))
        uid = targets[-1].removeprefix("subject:") if targets else ""
        for target in targets[:-1]:
            self.gallery.record("erase_certificate", target, {"proved": False})
        return self._certified(uid, scan, others, written, Away(), samples=0, faces=0)

    def _certified(
        self, uid: str, scan: Scan, others: tuple[str, ...], written: Written, away: Away, *, samples: int, faces: int
    ) -> Erasure:
        gallery = self.gallery
        left, absent = [*away.left, *written.left], [*away.absent, *written.absent]
        found = [trace.what for trace in scan.traces if trace.what != "name" or not others]
        detail = {"files": scan.files, "bytes": scan.size, "found": found, "unread": len(scan.unread)}
        detail |= {"results": len(written.files), "not_written": len(written.failed)}
        detail |= {"sorted": away.placed, "sidecars": away.sidecars, "left": len(left), "absent": len(absent)}
        gallery.record("erase_certificate", f"subject:{uid}", detail)
        *_, entry = gallery.audit(action="erase_certificate", subject_id=uid)
        return Erasure(
            subject_id=uid,
            samples=samples,
            run_faces=faces,
            results=tuple(map(str, written.files)),
            not_written=tuple(written.failed),
            scan=scan,
            others=others,
            entry=(entry.id, entry.entry_hash),
            placed=away.placed,
            sidecars=away.sidecars,
            left=tuple(map(str, left)),
            absent=tuple(map(str, absent)),
        )

    def _look_for(self, needles: Sequence[Needle], written: Sequence[Path]) -> Scan:
        """Reads the data folder, the gallery's, and these files with the pictures of reports."""
        home, location = self.settings.home, self.settings.gallery_location
        folders = [home, *(() if "://" in location else (Path(location),))]
        folders += [file.parent / "report-files" for file in written if file.name == "report.html"]
        return traces.scan([*folders, *written], needles, [self.settings.models_dir, home / "samples"])

    def remove_run(self, name: str) -> None:
        """Erases a run: its templates, pictures and names.

        Raises:
            NotAllowedError: The actor is no admin.
            RunNotFoundError: There is no such run.
            LegalHoldError: Somebody is recognised in it who is under a legal hold.
            RunBusyError, RunDamagedError: A process works on it, or it cannot be read.
        """
        from app.runs import Run
        from app.runs.forget import named_in, remove_run

        self.require(Role.ADMIN)
        run = Run.open(self.settings.home, name, self.file_keys)
        if (held := named_in(run, self._held())) is not None:
            raise LegalHoldError(f"the run {name} shows {held}, who is under a legal hold, and was not removed")
        remove_run(run)
        self.gallery.record("run_remove")

    def _held(self) -> list[str]:
        return [one.subject for one in self.gallery.holds()]

    def retain(self, *, dry_run: bool) -> Retained:
        """Erases whose time is over by the policy, subjects and runs; who is under a legal hold stays, with the runs.

        Args:
            dry_run: Only say who it would be.
        """
        from app.forgetting import rewrite_results
        from app.runs.forget import remove_run

        self.require(Role.ADMIN)
        rule = self.policy.retention
        due = tuple(self.gallery.due(grace=rule.grace, max_age=rule.max_age))
        old = self._old_runs(rule.runs_days)
        erased: list[Erasure] = []
        if not dry_run:
            rewrite_results(cast("Services", self))  # of an erasure that was killed
            for target in self.uncertified():
                self.gallery.record("erase_certificate", target, {"proved": False})
            for one in due:
                with suppress(SubjectNotFoundError, LegalHoldError):  # gone, or held, since they were listed
                    erased += [] if one.held else [self.erase(one.subject, one.reason)]
            for run in old:
                with suppress(RunBusyError):  # the next job finds it again
                    remove_run(run)
            self.gallery.record("retention", "", {"subjects": len(erased), "runs": len(old)})
        return Retained(due, tuple(run.name for run in old), tuple(erased))

    def uncertified(self) -> list[str]:
        """What the log calls those who were erased by a process that ended before it could certify that.

        The gallery finishes such an erasure when it is opened next, and runs were done before; but nobody has looked.
        """
        erased = dict.fromkeys(entry.target for entry in self.gallery.audit(action="erase"))
        certified = {entry.target for entry in self.gallery.audit(action="erase_certificate")}
        return [target for target in erased if target not in certified]

    def _old_runs(self, days: int | None) -> list[Run]:
        if days is None:
            return []
        from app.runs import runs_of
        from app.runs.forget import named_in

        limit = time() - days * _DAY_S
        runs = runs_of(self.settings.home, self.file_keys)
        old = [run for run in runs if run.file.stat().st_mtime < limit and not run.is_busy()]
        held = self._held() if old else []
        return [run for run in old if named_in(run, held) is None]
