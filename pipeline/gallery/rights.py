"""The part of a gallery about what its subjects agreed to, what is kept about one of them, and what has to go when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from pipeline.gallery import (
    alterations,
    bound_rights,
    consents,
    enrolment,
    legal_holds,
    mentions,
    names,
    retention,
    store,
    switching,
    upkeep,
)
from pipeline.gallery.accountable import AccountableGallery
from pipeline.gallery.audit import Note, target_of
from pipeline.gallery.consents import Consent, NewConsent
from pipeline.gallery.legal_holds import Hold
from pipeline.gallery.retention import Due

_US = timedelta(microseconds=1)


class RightsGallery(AccountableGallery):
    """A gallery with consents, legal holds and retention."""

    def consents(self, subject: str) -> list[Consent]:
        """The consents of a subject, oldest first, those that have ended too.

        Raises:
            SubjectNotFoundError: There is no such subject.
        """
        with self._truth.reading() as connection:
            return consents.of_subject(connection, store.subject_id(connection, names.normalise(subject)))

    def consent(self, subject: str, new: NewConsent) -> None:
        """Records a consent; the very same one, if it is in force, is not recorded twice. Errors as `consents`."""
        with self._changing() as (connection, log):
            self._consent(connection, log, names.normalise(subject), new)

    def withdraw(self, subject: str, purpose: str | None = None) -> int:
        """Withdraws the consents in force, for one purpose or all; returns how many. Errors as `consents`.

        Nothing is erased by that: the retention job does, or `erase`.
        """
        name = names.normalise(subject)
        with self._changing() as (connection, log):
            gone = consents.withdraw(connection, store.subject_id(connection, name), purpose)
            if gone:
                log.append(Note("consent_withdraw", target_of(store.uid_of(connection, name)), {"consents": gone}))
        return len(gone)

    def has_consent(self, subject: str, purpose: str | None = None) -> bool:
        """Whether there is such a subject, with a consent in force, for a purpose or any."""
        with self._truth.reading() as connection:
            return consents.has_one(connection, names.normalise(subject), purpose)

    def subjects_without_consent(self) -> list[str]:
        """Who is enrolled without a consent in force, by name."""
        with self._truth.reading() as connection:
            return consents.without(connection)

    def hold(self, subject: str, reason: str, until: datetime | None = None) -> None:
        """Places a legal hold, in place of the one there is: nobody erases the subject. Errors as `consents`.

        Args:
            subject: Who.
            reason: Why; it goes with the subject and does not stand in the log.
            until: Until when; None until it is released.
        """
        name = names.normalise(subject)
        with self._changing() as (connection, log):
            legal_holds.place(connection, store.subject_id(connection, name), until, reason, self.actor)
            detail = {"until": None if until is None else until.isoformat()}
            log.append(Note("hold", target_of(store.uid_of(connection, name)), detail))

    def release(self, subject: str) -> bool:
        """Lifts a legal hold; returns whether there was one. Errors as `consents`."""
        name = names.normalise(subject)
        with self._changing() as (connection, log):
            there = legal_holds.release(connection, store.subject_id(connection, name))
            if there:
                log.append(Note("release", target_of(store.uid_of(connection, name))))
        return there

    def accept_rights(self, subject: str) -> None:
        """Takes the consents and the hold of a subject as they stand, though they were changed without the key.

        Nothing where the gallery is not encrypted. Errors as `consents`.
        """
        name = names.normalise(subject)
        with self._changing() as (connection, log):
            bound_rights.bind(connection, [store.subject_id(connection, name)])
            log.append(Note("rights_accept", target_of(store.uid_of(connection, name))))

    def holds(self) -> list[Hold]:
        """The legal holds in force, by name."""
        with self._truth.reading() as connection:
            return legal_holds.in_force_by_name(connection)

    def due(self, *, grace: timedelta = timedelta(0), max_age: timedelta | None = None) -> list[Due]:
        """Who may not be kept any longer, by name: all consents ended, or all samples too old.

        Args:
            grace: How long somebody is kept after the last consent has ended.
            max_age: How long somebody is kept after the last photo was enrolled.
        """
        with self._truth.reading() as connection:
            limit = None if max_age is None else max_age // _US
            return retention.due(connection, grace_us=grace // _US, max_age_us=limit)

    def require_erasable(self, subject: str) -> None:
        """Lets pass only who may be erased. Errors: `erase`."""
        with self._truth.reading() as connection:
            legal_holds.refuse_held(connection, [store.uid_of(connection, names.normalise(subject))])

    def stands_as(self, text: str) -> list[str]:
        """Where a text stands in the gallery, in words; for one that was somebody's name who has been erased."""
        with self._truth.reading() as connection:
            return mentions.of_text(connection, text)

    def erase(self, subject: str, reason: str = "request") -> str:
        """Removes a subject as `Gallery.remove`, for a reason that the log says; returns the id it is called there.

        Raises:
            SubjectNotFoundError: There is no such subject.
            LegalHoldError: It is under a legal hold.
        """
        name = names.normalise(subject)
        with self._changing(erases=True) as (connection, log):
            uid = store.uid_of(connection, name)
            legal_holds.refuse_held(connection, [uid])
            count = alterations.remove_subject(connection, name)
            switching.forget_message(connection, name)
            log.append(Note("erase", target_of(uid), {"samples": count, "reason": reason}))
        return uid

    def export(self, subject: str) -> dict[str, Any]:
        """Everything that is kept about a subject, as it goes into JSON.

        Raises:
            SubjectNotFoundError: There is no such subject.
        """
        with self._truth.reading() as connection:
            return upkeep.export(connection, names.normalise(subject))

    def take_back(self, sample_ids: Sequence[str], consent_ids: Sequence[int] = ()) -> tuple[int, int]:
        """Undoes enrolments: removes these samples, and these consents, which were recorded with them; all or none.

        A consent stays where somebody has enrolled more of the subject since it was recorded: that rests on it.

        Returns:
            How many samples and how many consents were removed; what is gone already is passed over.

        Raises:
            LegalHoldError: A subject concerned is under a legal hold.
        """
        with self._changing(erases=True) as (connection, log):
            owner = enrolment.owner_of(connection, sample_ids)
            legal_holds.refuse_held(connection, owner.values())
            gone = consents.take_back(connection, consent_ids, list(owner))  # first: they go with their subject
            for sample_id in owner:
                alterations.remove_sample(connection, sample_id)
            for uid in dict.fromkeys(owner.values()):
                mine = sorted(number for number, its in gone.items() if its == uid)
                taken = [sample for sample, its in owner.items() if its == uid]
                log.append(Note("enrol_undo", target_of(uid), {"samples": taken, "consents": mine}))
        return len(owner), len(gone)

    def _consent(self, connection: Connection, log: list[Note], name: str, new: NewConsent) -> int | None:
        made = consents.give(connection, store.subject_id(connection, name), new, self.actor)
        if made is not None:
            until = None if new.expires is None else new.expires.isoformat()
            detail = {"consent": made, "until": until, "text_version": new.text_version}
            log.append(Note("consent", target_of(store.uid_of(connection, name)), detail))
        return made
