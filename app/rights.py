"""What a subject may ask for, and what the operator owes: consents, holds, the copy of everything, the log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import policy
from app.access import Role
from app.erasing import Erasing

if TYPE_CHECKING:
    from pipeline.gallery import Entry, Finding, NewConsent, Problem, Verdict


class Rights(Erasing):
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

    def accept_rights(self, subject: str) -> None:
        """Takes consents and hold of a subject as they stand. Errors: `Gallery.accept_rights`."""
        self.require(Role.ADMIN)
        self.gallery.accept_rights(subject)

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

    def verify_audit(self, public_key: Path | None = None, head: Path | None = None) -> Verdict:
        """Whether the log is whole. As `Gallery.verify_audit`.

        Args:
            public_key: The only key whose signature counts.
            head: A file with an end of the log that was kept elsewhere.

        Raises:
            ConfigError: A file cannot be used.
        """
        from app.audit_export import read_head
        from pipeline.gallery.anchor import key_id_of, read_public

        self.require(Role.ADMIN)
        key = None if public_key is None else read_public(public_key)
        kept = None if head is None else read_head(head)
        return self.gallery.verify_audit(None if key is None else (key_id_of(key), key), kept)

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
        for target in self.uncertified():
            said = "was erased by a process that ended before it could look for what is left, and certify"
            problems.append(
                Problem("no_certificate", f"{target} {said}: `knownface subject expire` notes it in the log")
            )
        return problems
