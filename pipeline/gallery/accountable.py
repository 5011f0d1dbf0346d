"""The part of a gallery that accounts for what was done: who acts, and the audit log."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

from sqlalchemy.engine import Connection

from pipeline.gallery import audit, audit_check, logged, names, store
from pipeline.gallery.anchor import End, Signature
from pipeline.gallery.audit import Entry, Note
from pipeline.gallery.audit_check import Finding, Verdict
from pipeline.gallery.reader import GalleryReader
from pipeline.gallery.records import Problem

IN_ONE_ENTRY = 500
"""Subjects that one entry of the log tells of."""


class AccountableGallery(GalleryReader):
    """A gallery whose changes are written into the audit log, in the transaction of the change."""

    def acting_as(self, actor: str) -> Self:
        """The same gallery, whose changes are written into the log in this name.

        It shares database and index with this one; whoever opened the gallery closes it.
        """
        view = copy.copy(self)
        view._scribe = replace(self._scribe, actor=actor)
        return view

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written here, an entry of the log neither."""
        return self._truth.read_only

    @property
    def actor(self) -> str:
        """In whose name changes are written into the log."""
        return self._scribe.actor

    def record(
        self, action: str, target: str = "", detail: Mapping[str, Any] | None = None, *, subjects: Sequence[str] = ()
    ) -> None:
        """Writes into the log what is no change of the gallery: a search, a decision, a login, an export.

        Args:
            action: One word.
            target: What it was done to. No personal data: it stays when a subject is erased.
            detail: More, as it goes into JSON; the same holds.
            subjects: Whom it concerns, by name; in the log stand their ids, in `detail` under "subjects".

        Raises:
            GalleryError: The gallery is read-only.
            ValueError: The detail is nothing that JSON knows, or has more than a million characters.
        """
        with self._changing() as (connection, log):
            body = dict(detail or {})
            if subjects:
                ids = store.uids_of(connection, [names.normalise(name) for name in subjects])
                body["subjects"] = sorted(ids.values())
            log.append(Note(action, target, body))

    def _older(self, connection: Connection) -> list[Problem]:
        """That an older copy was put in the gallery's place, as a problem."""
        anchor, place = self._scribe.anchor, self._truth.place.label
        found = [] if anchor is None else audit_check.older_than_seen(connection, anchor, place)
        advice = "see `knownface audit verify`: who was erased since may be in it again"
        return [Problem("older_than_seen", f"{one.message.rstrip('. ')}; {advice}") for one in found]

    def record_key_use(self) -> None:
        """Writes into the log that this process has opened the encrypted gallery, and with which key.

        Nothing where the gallery is not encrypted, or read-only.

        Raises:
            GalleryBusyError: Another process kept it locked.
        """
        vault = self._truth.vault
        if vault is not None and not self._truth.read_only:
            keys = {"master_key": vault.master_id, "data_key": vault.key_id}
            self.record("vault_open", "vault", {**keys, "process": os.getpid()})

    def subject_id(self, name: str) -> str:
        """What the log calls a subject: a random id, which stays when it gets another name.

        Raises:
            SubjectNotFoundError: There is no such subject.
        """
        with self._truth.reading() as connection:
            return store.uid_of(connection, names.normalise(name))

    def subject_ids(self, subjects: Sequence[str]) -> dict[str, str]:
        """What the log calls these subjects; who is not there is left out."""
        with self._truth.reading() as connection:
            return store.uids_of(connection, [names.normalise(name) for name in subjects])

    def subject_names(self, ids: Sequence[str]) -> dict[str, str]:
        """The names of the subjects whom the log calls so; who is not there any more is left out."""
        with self._truth.reading() as connection:
            return store.names_of(connection, ids)

    def audit(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        actor: str | None = None,
        action: str | None = None,
        subject_id: str | None = None,
        after: int = 0,
    ) -> Iterator[Entry]:
        """The entries of the log, oldest first.

        Args:
            since: Not before.
            until: Before.
            actor: Only what this one did.
            action: Only this.
            subject_id: Only what concerns the subject of this id.
            after: Only those with a larger number.
        """
        while True:  # entries stay as they are, so the pages need no common transaction
            with self._truth.reading() as connection:
                page = audit.entries(
                    connection,
                    after=after,
                    since_us=_us(since),
                    until_us=_us(until),
                    actor=actor,
                    action=action,
                    subject=subject_id,
                )
            if not page:
                return
            yield from page
            after = page[-1].id

    def audit_page(
        self,
        limit: int,
        *,
        before: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        actor: str | None = None,
        action: str | None = None,
        subject_id: str | None = None,
    ) -> list[Entry]:
        """The newest entries of the log, newest first.

        Args:
            limit: How many at most.
            before: Only those with a smaller number.
            since: As in `audit`, like all that follow.
            until: Likewise.
            actor: Likewise.
            action: Likewise.
            subject_id: Likewise.
        """
        with self._truth.reading() as connection:
            return audit.entries(
                connection,
                limit=limit,
                since_us=_us(since),
                until_us=_us(until),
                actor=actor,
                action=action,
                subject=subject_id,
                newest=True,
                before=before,
            )

    def audit_actions(self) -> list[str]:
        """Every action there is in the log, sorted."""
        with self._truth.reading() as connection:
            return audit.actions(connection)

    def verify_audit(self, public: tuple[str, Any] | None = None, head: tuple[End, Signature] | None = None) -> Verdict:
        """Whether the log is whole: no entry changed, removed or put in, and its end where it was.

        Args:
            public: The only key whose signature counts, and its id; by default the data folder's own and trusted ones.
            head: A signed end that was kept elsewhere, which the log has to contain.
        """
        with self._truth.reading() as connection:
            return audit_check.verify(connection, self._scribe.anchor, self._truth.place.label, public, head)

    def audit_end(self) -> tuple[End, End, Signature]:
        """Where the log ends, what of that is signed, and the signature."""
        with self._truth.reading() as connection:
            return audit.read_head(connection)

    def accept_audit(self) -> tuple[Finding, ...]:
        """Signs the log as it stands, with an entry that says what was found wrong with it; returns that.

        For an administrator who knows why: another machine wrote without the key, a database server was restored.
        """
        with self._changing() as (connection, log):
            found = audit_check.verify(connection, self._scribe.anchor, self._truth.place.label).findings
            log.append(Note("audit_accept", "", {"found": [finding.kind for finding in found]}))
            end = audit_check.end_as_it_stands(connection)
            if self._scribe.anchor is not None:
                self._scribe.anchor.signed_last = end
        self._note_end()
        return found

    def _note_end(self) -> None:
        anchor, place = self._scribe.anchor, self._truth.place.label
        if anchor is not None:
            with self._truth.reading() as connection:
                anchor.note(place, audit.read_head(connection)[0])

    @contextmanager
    def _changing(self, *, erases: bool = False) -> Iterator[tuple[Connection, list[Note]]]:
        """A write; what is put into the list goes into the log with it.

        Args:
            erases: After it, nothing that it removed is left, in an engine elsewhere either.
        """
        with logged.changing(self._truth, self._scribe, erases=erases) as (connection, log):
            yield connection, log
        if erases:
            self._index.erased()

    @contextmanager
    def _looking(self) -> Iterator[tuple[Connection, list[Note]]]:
        """A read in the form of a write that changes nothing."""
        with self._truth.reading() as connection:
            yield connection, []


def told_together(action: str, samples: Mapping[str, int]) -> list[Note]:
    """What was done to several subjects (id -> samples) in as few entries as will do."""
    if len(samples) == 1:
        return [Note(action, audit.target_of(uid), {"samples": count}) for uid, count in samples.items()]
    together = list(samples.items())
    parts = [dict(together[start : start + IN_ONE_ENTRY]) for start in range(0, len(together), IN_ONE_ENTRY)]
    return [Note(action, "subjects", {"samples": part}) for part in parts]


def _us(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1_000_000)
