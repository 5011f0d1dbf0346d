"""Erasing somebody, or whatever is kept for too long, wherever it is kept; and the proof of it."""

from __future__ import annotations

from collections.abc import Sequence
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
    from app.needles import Needle
    from app.runs import Run
    from app.services import Services
    from app.traces import Scan
    from pipeline.gallery import Due

_DAY_S = 86400.0
OUT_OF_REACH = (
    "backups made earlier",
    "exports, and reports and results but those written last of each run",
    "folders that were sorted into, and XMP sidecars, until they are written again",
    "photos: those that were read lie where they lay, and their paths and SHA-256 in the lists of files of runs",
    "templates of photos that were only evaluated, never enrolled nor in a run: `knownface evaluate cache --clear`",
    "the audit log: it names nobody, and keeps the SHA-256 of photos where the policy logs each decision",
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

    @property
    def complete(self) -> bool:
        """Whether nothing is left: no trace but a name that stands there for another reason, and every file read."""
        mine = [trace for trace in self.scan.traces if trace.what != "name" or not self.others]
        return not mine and not self.scan.unread and not self.not_written

    def as_dict(self) -> dict[str, Any]:
        """The certificate, as it goes into JSON; it names nobody."""
        return {
            "subject_id": self.subject_id,
            "samples": self.samples,
            "run_faces": self.run_faces,
            "complete": self.complete,
            "results_written_anew": list(self.results),
            "results_not_written": list(self.not_written),
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

    def erase(self, subject: str, reason: str = "request") -> Erasure:
        """Erases a subject from gallery, runs, jobs and caches, and from the result files that were written last.

        Then it looks for what might be left, and certifies that in the log.

        Raises:
            NotAllowedError: The actor is no admin.
            SubjectNotFoundError: There is no such subject.
            LegalHoldError: It is under a legal hold.
        """
        from app.forgetting import forget_person, rewrite_results

        self.require(Role.ADMIN)
        gallery, services = self.gallery, cast("Services", self)
        gallery.require_erasable(subject)
        held = gallery.export(subject)
        name, needles = held["subject"], traces.needles_of(held)
        forgotten = forget_person(services, name)
        uid = gallery.erase(subject, reason)
        if "://" in self.settings.gallery_location:
            gallery.compact()  # the server's pages are written anew
        gallery.load()
        written, failed = rewrite_results(services, forgotten.runs)
        done = self._look_for(needles, written)
        others = tuple(gallery.stands_as(name))
        found = [trace.what for trace in done.traces if trace.what != "name" or not others]
        detail = {"files": done.files, "bytes": done.size, "found": found, "unread": len(done.unread)}
        detail |= {"results": len(written), "not_written": len(failed)}
        gallery.record("erase_certificate", f"subject:{uid}", detail)
        *_, entry = gallery.audit(action="erase_certificate", subject_id=uid)
        return Erasure(
            subject_id=uid,
            samples=len(held["samples"]),
            run_faces=forgotten.faces,
            results=tuple(map(str, written)),
            not_written=tuple(failed),
            scan=done,
            others=others,
            entry=(entry.id, entry.entry_hash),
        )

    def _look_for(self, needles: Sequence[Needle], written: Sequence[Path]) -> Scan:
        """Reads the data folder, the gallery's, and these result files with their pictures."""
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
        from app.runs.forget import remove_run

        self.require(Role.ADMIN)
        rule = self.policy.retention
        due = tuple(self.gallery.due(grace=rule.grace, max_age=rule.max_age))
        old = self._old_runs(rule.runs_days)
        erased: list[Erasure] = []
        if not dry_run:
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
