"""What a subject may ask for, and what the operator owes: consents, holds, the copy of everything, erasure, the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, cast

from app import policy, traces
from app.access import Role
from app.changes import Changes

if TYPE_CHECKING:
    from app.runs import Run
    from app.services import Services
    from app.traces import Scan
    from pipeline.gallery import Due, Entry, Finding, NewConsent, Problem, Verdict

_DAY_S = 86400.0
OUT_OF_REACH = (
    "backups made earlier",
    "exports, reports and result folders written elsewhere",
    "photos: Knownface keeps none; those it read lie where they lay",
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
        scan: What was looked at afterwards.
        others: Where the name stands for another reason, another subject's name for instance.
        entry: Number and hash of the log's entry that certifies it.
    """

    subject_id: str
    samples: int
    run_faces: int
    scan: Scan
    others: tuple[str, ...]
    entry: tuple[int, str]

    @property
    def complete(self) -> bool:
        """Whether nothing is left: no trace but a name that stands there for another reason, and every file read."""
        mine = [trace for trace in self.scan.traces if trace.what != "name" or not self.others]
        return not mine and not self.scan.unread

    def as_dict(self) -> dict[str, Any]:
        """The certificate, as it goes into JSON; it names nobody."""
        return {
            "subject_id": self.subject_id,
            "samples": self.samples,
            "run_faces": self.run_faces,
            "complete": self.complete,
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


class Rights(Changes):
    """What `Services` inherits besides changes and searches."""

    # --- consents and holds -----------------------------------------------------------------------------------

    def consent(self, subject: str, new: NewConsent) -> None:
        """Records a consent that the policy allows. Errors: `Policy.consent_for`, `Gallery.consent`."""
        self.require(Role.OPERATOR)
        self.gallery.consent(subject, self.policy.consent_for(new) or new)

    def withdraw(self, subject: str, purpose: str | None = None) -> int:
        """Withdraws consents; returns how many. Errors: `Gallery.withdraw`."""
        self.require(Role.OPERATOR)
        return self.gallery.withdraw(subject, purpose)

    def hold(self, subject: str, reason: str, until: datetime | None = None) -> None:
        """Places a legal hold. Errors: `Gallery.hold`."""
        self.require(Role.ADMIN)
        self.gallery.hold(subject, reason, until)

    def release(self, subject: str) -> bool:
        """Lifts a legal hold; returns whether there was one. Errors: `Gallery.release`."""
        self.require(Role.ADMIN)
        return self.gallery.release(subject)

    # --- the copy of everything -------------------------------------------------------------------------------

    def everything(self, subject: str) -> dict[str, Any]:
        """All that is held about a subject. Errors: `subject_export.everything`."""
        from app.subject_export import everything

        self.require(Role.OPERATOR)
        return everything(self.gallery, self.settings.home, subject, self.file_keys)

    def export_subject(self, subject: str, out: Path | None) -> int:
        """Logs that all that is held about a subject is given out; writes it to a new ZIP file where one is named.

        Returns:
            How many files are in it.
        """
        from app.subject_export import write_zip

        self.require(Role.OPERATOR)
        self.gallery.record("export", f"subject:{self.gallery.subject_id(subject)}")
        if out is None:
            return 0
        return write_zip(self.gallery, self.settings.home, subject, out, self.file_keys)

    # --- erasure ----------------------------------------------------------------------------------------------

    def run_faces_of(self, subject: str) -> int:
        """How many faces of runs an erasure of the subject takes with it."""
        from app.runs.forget import held_of

        photos = [sample.photo_sha256 for sample in self.gallery.subject(subject).samples]
        return held_of(self.settings.home, photo_sha256s=photos, subject=subject, keys=self.file_keys)

    def erase(self, subject: str, reason: str = "request") -> Erasure:
        """Erases a subject from gallery, runs and caches, looks for what might be left, and certifies that in the log.

        Raises:
            NotAllowedError: The actor is no admin.
            SubjectNotFoundError: There is no such subject.
            LegalHoldError: It is under a legal hold.
        """
        from app.forgetting import forget_person

        self.require(Role.ADMIN)
        gallery, home = self.gallery, self.settings.home
        gallery.require_erasable(subject)
        held = gallery.export(subject)
        name, needles = held["subject"], traces.needles_of(held)
        run_faces = forget_person(cast("Services", self), name)
        uid = gallery.erase(subject, reason)
        folders = [home]
        if "://" in self.settings.gallery_location:
            gallery.compact()  # the server's pages are written anew
        else:
            folders.append(Path(self.settings.gallery_location))
        gallery.load()
        done = traces.scan(folders, needles, [self.settings.models_dir, home / "samples"])
        others = tuple(gallery.stands_as(name))
        found = [trace.what for trace in done.traces if trace.what != "name" or not others]
        detail = {"files": done.files, "bytes": done.size, "found": found, "unread": len(done.unread)}
        gallery.record("erase_certificate", f"subject:{uid}", detail)
        *_, entry = gallery.audit(action="erase_certificate", subject_id=uid)
        return Erasure(uid, len(held["samples"]), run_faces, done, others, (entry.id, entry.entry_hash))

    def retain(self, *, dry_run: bool) -> Retained:
        """Erases whose time is over by the policy, subjects and runs; who is under a legal hold stays.

        Args:
            dry_run: Only say who it would be.
        """
        from app.runs.forget import remove_run

        self.require(Role.ADMIN)
        rule = self.policy.retention
        due = tuple(self.gallery.due(grace=rule.grace, max_age=rule.max_age))
        old = self._old_runs(rule.runs_days)
        erased = []
        if not dry_run:
            erased = [self.erase(one.subject, one.reason) for one in due if not one.held]
            for run in old:
                remove_run(run)
            self.gallery.record("retention", "", {"subjects": len(erased), "runs": len(old)})
        return Retained(due, tuple(run.name for run in old), tuple(erased))

    def _old_runs(self, days: int | None) -> list[Run]:
        if days is None:
            return []
        from app.runs import runs_of

        limit = time() - days * _DAY_S
        return [run for run in runs_of(self.settings.home) if run.file.stat().st_mtime < limit and not run.is_busy()]

    # --- the log and the policy -------------------------------------------------------------------------------

    def audit(self, **filters: Any) -> Iterator[Entry]:
        """The entries of the log. As `Gallery.audit`."""
        self.require(Role.ADMIN)
        return self.gallery.audit(**filters)

    def audit_page(self, limit: int, **filters: Any) -> list[Entry]:
        """The newest entries of the log, newest first. As `Gallery.audit_page`."""
        self.require(Role.ADMIN)
        return self.gallery.audit_page(limit, **filters)

    def audit_actions(self) -> list[str]:
        """Every action there is in the log. As `Gallery.audit_actions`."""
        self.require(Role.ADMIN)
        return self.gallery.audit_actions()

    def verify_audit(self, public_key: Path | None = None) -> Verdict:
        """Whether the log is whole. As `Gallery.verify_audit`."""
        self.require(Role.ADMIN)
        if public_key is None:
            return self.gallery.verify_audit()
        from pipeline.gallery.anchor import key_id_of, read_public

        key = read_public(public_key)
        return self.gallery.verify_audit((key_id_of(key), key))

    def accept_audit(self) -> tuple[Finding, ...]:
        """Signs the log as it stands. As `Gallery.accept_audit`."""
        self.require(Role.ADMIN)
        return self.gallery.accept_audit()

    def use_policy(self, source: Path) -> policy.Policy:
        """Makes a file's policy the one in force: copies it to `policy.toml` in the data folder.

        Raises:
            ConfigError: It is no policy, or the settings name a file of their own.
        """
        self.require(Role.ADMIN)
        chosen = policy.install(self.settings, source)
        self.gallery.record("policy", f"policy:{chosen.name}", chosen.model_dump(mode="json", exclude={"name"}))
        return chosen

    def policy_problems(self) -> list[Problem]:
        """What in the gallery the policy does not allow."""
        from pipeline.gallery import Problem

        self.require(Role.ADMIN)
        problems = []
        if self.policy.consent.required:
            lacking = self.gallery.subjects_without_consent()
            problems += [Problem("no_consent", f"{name} is enrolled without a consent in force") for name in lacking]
        rule = self.policy.retention
        for one in self.gallery.due(grace=rule.grace, max_age=rule.max_age):
            held = "; a legal hold keeps them" if one.held else ": `knownface subject expire` erases them"
            problems.append(Problem("time_is_over", f"{one.subject} ({one.reason} {one.since:%Y-%m-%d}){held}"))
        return problems
