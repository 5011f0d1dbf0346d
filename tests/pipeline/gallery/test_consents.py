"""Consents, legal holds and what has to go when."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from gallery_samples import DIMENSION, MODEL, sample_of

from pipeline.errors import LegalHoldError, SubjectNotFoundError
from pipeline.gallery import Gallery, NewConsent, Scribe

NOW = datetime.now(UTC)
PAST, FUTURE = NOW - timedelta(days=3), NOW + timedelta(days=3)
DOORS = NewConsent("doors", expires=FUTURE, text_version="v2", evidence="folder 7", given_by="their mother")


@pytest.fixture
def gallery(location):
    with Gallery.open(location, MODEL, DIMENSION, scribe=Scribe("grace")) as opened:
        opened.enrol("Ada", [sample_of("ada")])
        opened.enrol("Bob", [sample_of("bob")])
        yield opened


def test_a_consent_is_recorded_with_the_enrolment(gallery):
    gallery.enrol("Zoe", [sample_of(1)], DOORS)
    gallery.enrol("Zoe", [sample_of(2)], DOORS)
    [found] = gallery.consents("Zoe")
    assert (found.purpose, found.basis, found.text_version, found.evidence) == ("doors", "consent", "v2", "folder 7")
    assert (found.given_by, found.recorded_by, found.withdrawn) == ("their mother", "grace", None)
    assert found.expires == FUTURE
    assert found.holds_at(NOW)
    assert not found.holds_at(FUTURE)
    assert gallery.has_consent("Zoe")
    assert gallery.has_consent("Zoe", "doors")
    assert not gallery.has_consent("Zoe", "marketing")
    assert not gallery.has_consent("Ada")
    assert not gallery.has_consent("Nobody")
    assert gallery.subjects_without_consent() == ["Ada", "Bob"]
    [entry] = gallery.audit(action="consent")
    assert json.loads(entry.detail) == {"consent": found.id, "until": FUTURE.isoformat(), "text_version": "v2"}
    assert entry.target == f"subject:{gallery.subject_id('Zoe')}"


def test_a_consent_is_withdrawn(gallery):
    gallery.consent("Ada", DOORS)
    gallery.consent("Ada", NewConsent("album"))
    assert gallery.withdraw("Ada", "doors") == 1
    assert gallery.withdraw("Ada", "doors") == 0
    assert [one.withdrawn is None for one in gallery.consents("Ada")] == [False, True]
    gallery.consent("Ada", DOORS)
    assert gallery.withdraw("Ada") == 2
    assert not gallery.has_consent("Ada")
    with pytest.raises(SubjectNotFoundError):
        gallery.withdraw("Nobody")


def test_who_is_due(gallery):
    gallery.consent("Ada", NewConsent("doors", expires=PAST))
    assert [(one.subject, one.reason, one.since, one.held) for one in gallery.due()] == [
        ("Ada", "consent_expired", PAST, False)
    ]
    assert gallery.due(grace=timedelta(days=4)) == []
    gallery.consent("Ada", NewConsent("album"))
    assert gallery.due() == [], "one that is in force keeps somebody"
    gallery.withdraw("Ada")
    assert [(one.subject, one.reason) for one in gallery.due()] == [("Ada", "consent_withdrawn")]
    assert [(one.subject, one.reason) for one in gallery.due(max_age=timedelta(0))] == [
        ("Ada", "consent_withdrawn"),
        ("Bob", "too_old"),
    ]
    assert gallery.due(max_age=timedelta(days=1), grace=timedelta(days=1)) == []


def test_a_legal_hold_keeps_everything(gallery):
    [uid] = [sample.id for sample in gallery.subject("Ada").samples]
    gallery.hold("Ada", "case 12")
    gallery.consent("Ada", NewConsent("doors", expires=PAST))
    for attempt in (lambda: gallery.remove("Ada"), lambda: gallery.erase("Ada"), lambda: gallery.remove_sample(uid)):
        with pytest.raises(LegalHoldError, match="--release"):
            attempt()
    assert [one.held for one in gallery.due()] == [True]
    [held] = gallery.holds()
    assert (held.subject, held.reason, held.actor, held.until) == ("Ada", "case 12", "grace", None)
    assert "case 12" not in " ".join(entry.detail for entry in gallery.audit())
    assert gallery.release("Ada")
    assert not gallery.release("Ada")
    gallery.remove("Ada")
    assert [info.name for info in gallery.subjects()] == ["Bob"]


def test_a_hold_ends(gallery):
    gallery.hold("Ada", "case 12", FUTURE)
    with pytest.raises(LegalHoldError, match=f"until {FUTURE:%Y-%m-%d}"):
        gallery.erase("Ada")
    gallery.hold("Ada", "case 12", PAST)
    assert gallery.holds() == []
    gallery.erase("Ada")


def test_what_is_merged_or_split_keeps_consent_and_hold(gallery):
    gallery.consent("Ada", DOORS)
    gallery.hold("Ada", "one", FUTURE)
    gallery.hold("Bob", "two")
    with pytest.raises(LegalHoldError):
        gallery.merge("Ada", "Bob")
    gallery.release("Ada")
    gallery.merge("Ada", "Bob")
    assert [one.purpose for one in gallery.consents("Bob")] == ["doors"]
    assert [(one.subject, one.reason) for one in gallery.holds()] == [("Bob", "two")]
    samples = [sample.id for sample in gallery.subject("Bob").samples]
    gallery.split(samples, "Zoe")
    assert [(one.subject, one.reason) for one in gallery.holds()] == [("Zoe", "two")]
    assert gallery.consents("Zoe") == [], "whoever is split off is somebody else"


def test_consents_go_with_the_subject(gallery):
    gallery.consent("Ada", DOORS)
    uid = gallery.erase("Ada", "consent_expired")
    gallery.enrol("Ada", [sample_of("ada")])
    assert gallery.consents("Ada") == []
    [entry] = gallery.audit(action="erase")
    assert (entry.target, json.loads(entry.detail)) == (
        f"subject:{uid}", {"samples": 1, "reason": "consent_expired"}
    )  # fmt: skip
    assert gallery.subject_id("Ada") != uid
    assert gallery.verify_audit().entries == len(list(gallery.audit()))


def test_undoing_an_enrolment_takes_the_consent_back_that_came_with_it(gallery):
    gallery.consent("Ada", NewConsent("album"))
    [sample], consent = gallery.enrol_agreed("Ada", [sample_of(1)], DOORS)
    assert [one.purpose for one in gallery.consents("Ada")] == ["album", "doors"]
    assert gallery.take_back([sample, "no such sample"], [consent]) == (1, 1)
    assert [one.purpose for one in gallery.consents("Ada")] == ["album"]
    assert gallery.subject("Ada").info.samples == 1
    [entry] = gallery.audit(action="enrol_undo")
    assert entry.target == f"subject:{gallery.subject_id('Ada')}"
    assert json.loads(entry.detail) == {"samples": [sample], "consents": [consent]}
    assert gallery.due() == [], "it was not withdrawn: nobody is due because of a slip"
    assert gallery.take_back([sample], [consent]) == (0, 0)


def test_undoing_the_only_enrolment_leaves_nobody(gallery):
    made, consent = gallery.enrol_agreed("Zoe", [sample_of(1), sample_of(2)], DOORS)
    assert gallery.take_back(made, [consent]) == (2, 1)
    assert [info.name for info in gallery.subjects()] == ["Ada", "Bob"]


def test_a_consent_that_later_photos_rest_on_is_not_taken_back(gallery):
    [sample], consent = gallery.enrol_agreed("Ada", [sample_of(1)], DOORS)
    assert gallery.enrol_agreed("Ada", [sample_of(2)], DOORS)[1] is None, "it is in force"
    assert gallery.take_back([sample], [consent]) == (1, 0)
    assert gallery.has_consent("Ada", "doors")


def test_only_the_consents_of_those_who_are_undone_go(gallery):
    [sample], mine = gallery.enrol_agreed("Ada", [sample_of(1)], DOORS)
    gallery.consent("Bob", DOORS)
    [others] = gallery.consents("Bob")
    assert gallery.take_back([sample], [mine, others.id]) == (1, 1)
    assert gallery.has_consent("Bob")


def test_a_legal_hold_blocks_undo_and_nothing_is_undone(gallery):
    [sample], consent = gallery.enrol_agreed("Ada", [sample_of(1)], DOORS)
    [other], _ = gallery.enrol_agreed("Bob", [sample_of(2)], None)
    gallery.hold("Ada", "case 12")
    with pytest.raises(LegalHoldError):
        gallery.take_back([other, sample], [consent])
    assert gallery.has_consent("Ada", "doors")
    assert {info.name: info.samples for info in gallery.subjects()} == {"Ada": 2, "Bob": 2}
