"""Who may write an encrypted gallery's database, but has no key, changes no consent or legal hold unnoticed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from gallery_samples import sample_of
from vault_samples import KEY, NAMES, OTHER, fill, opened

from pipeline.errors import GalleryDamagedError, LegalHoldError
from pipeline.gallery import KeyPlaces, NewConsent

ADA, ZOE = NAMES[:2]
FORGERIES = {
    "prolonged": "UPDATE consent SET expires_us = 4102444800000000 WHERE subject_id = 1",
    "given back": "UPDATE consent SET withdrawn_us = NULL WHERE subject_id = 1",
    "for something else": "UPDATE consent SET purpose = 'advertising' WHERE subject_id = 1",
    "another wording": "UPDATE consent SET text_version = 'v9' WHERE subject_id = 1",
    "removed": "DELETE FROM consent WHERE subject_id = 1",
    "somebody else's": "UPDATE consent SET subject_id = 1 WHERE subject_id = 2",
    "hold lifted": "DELETE FROM holds",
    "hold ended": "UPDATE holds SET until_us = 1",
    "hold moved": "UPDATE holds SET subject_id = 2",
    "without the seal": "UPDATE subjects SET rights = NULL WHERE id = 1",
    "another's seal": "UPDATE subjects SET rights = (SELECT rights FROM subjects WHERE id = 2) WHERE id = 1",
    "in the open": "UPDATE subjects SET rights = 'anything' WHERE id = 1",
}


def change(folder, *statements):
    with closing(sqlite3.connect(folder / "gallery.db")) as database, database:
        for statement in statements:
            assert database.execute(statement).rowcount, statement


def forged(gallery):
    return [problem.message for problem in gallery.check() if problem.kind == "rights_forged"]


@pytest.fixture
def folder(tmp_path):
    """Ada has withdrawn one consent, given another, and is under a hold."""
    with opened(tmp_path / "g") as gallery:
        gallery.vault().init(KEY)
        fill(gallery)
        gallery.withdraw(ADA)
        gallery.consent(ADA, NewConsent("album", text_version="v2"))
        assert gallery.check() == []
    return tmp_path / "g"


@pytest.mark.parametrize("what", FORGERIES)
def test_nobody_relies_on_what_was_changed(folder, what):
    change(folder, FORGERIES[what])
    with opened(folder) as gallery:
        assert forged(gallery)
        assert ADA in " ".join(forged(gallery))
        for act in (
            gallery.due,
            lambda: gallery.erase(ADA),
            lambda: gallery.remove(ADA),
            lambda: gallery.require_erasable(ADA),
            lambda: gallery.has_consent(ADA),
            gallery.subjects_without_consent,
            gallery.holds,
            lambda: gallery.release(ADA),
            lambda: gallery.withdraw(ADA),
            lambda: gallery.merge(ADA, NAMES[2]),
            lambda: gallery.enrol(ADA, [sample_of("another photo")], NewConsent("door")),
        ):
            with pytest.raises(GalleryDamagedError, match=r"changed by somebody who had no key: .*subject accept"):
                act()
        assert gallery.has_consent(NAMES[3]), "who was not touched is relied on"
        assert gallery.erase(NAMES[3])
        assert len(gallery.consents(ADA)) in {0, 2, 3}, "it can be looked at"


def test_it_is_taken_as_it_stands_when_somebody_says_so(folder):
    change(folder, FORGERIES["hold moved"])
    with opened(folder) as gallery:
        assert len(forged(gallery)) == 2
        gallery.accept_rights(ADA)
        gallery.accept_rights(ZOE)
        assert gallery.check() == []
        assert [hold.subject for hold in gallery.holds()] == [ZOE]
        assert [entry.action for entry in gallery.audit(action="rights_accept")] == ["rights_accept"] * 2
        assert gallery.erase(ADA)
        with pytest.raises(LegalHoldError):
            gallery.erase(ZOE)


def test_everything_that_changes_them_seals_them(folder, tmp_path):
    with opened(folder) as gallery:
        gallery.merge(NAMES[2], ZOE)
        assert forged(gallery) == []
        some = [one.id for one in gallery.subject(ADA).samples][:1]
        gallery.split(some, "Somebody new")
        assert {hold.subject for hold in gallery.holds()} == {ADA, "Somebody new"}
        gallery.release(ADA)
        gallery.hold(ADA, "another case")
        gallery.rename(ADA, "Ada King")
        made, numbers = gallery.enrol_many([("Eve", sample_of("eve"))]), []
        gallery.consent("Eve", NewConsent("door"))
        numbers = [one.id for one in gallery.consents("Eve")]
        gallery.consent("Eve", NewConsent("album"))
        assert made
        gallery.take_back([one.id for one in gallery.subject("Eve").samples], numbers)
        gallery.vault().rotate(KEY, OTHER)
        assert gallery.check() == []
        gallery.due(grace=timedelta(0))
        gallery.backup(tmp_path / "backup.db")
    change(folder, "DELETE FROM consent WHERE subject_id = 2")
    with opened(folder, KeyPlaces(OTHER.text)) as gallery:
        assert len(forged(gallery)) == 1
        for hold in ["Ada King", "Somebody new"]:
            gallery.release(hold)
        gallery.restore(tmp_path / "backup.db", folder)
        assert gallery.check() == []


def test_a_rotation_does_not_bless_what_was_changed(folder):
    change(folder, FORGERIES["hold lifted"])
    with opened(folder) as gallery:
        gallery.vault().rotate(KEY)
        assert len(forged(gallery)) == 1


def of_before(folder):
    """The gallery as the version before this one has left it: no seals, keys bound without a word of them."""
    with opened(folder) as gallery, gallery._truth.writing() as connection:
        from pipeline.gallery.vault import state as states

        now = states.read(connection)
        wrapped = now._opened(KEY)
        old = states.Vault(now.vault_id, now.state, now.key_id, now.master_id, "{}")
        states.write(connection, old._with(KEY, wrapped))
    change(folder, "UPDATE subjects SET rights = NULL")


def test_an_encrypted_gallery_of_before_is_bound_by_a_rotation(folder):
    of_before(folder)
    with opened(folder) as gallery:
        assert [problem.kind for problem in gallery.check()] == ["rights_not_bound"]
        assert [hold.subject for hold in gallery.holds()] == [ADA]
        gallery.consent(ADA, NewConsent("while it is not bound"))
        gallery.vault().rotate(KEY)
        assert gallery.check() == []
    change(folder, FORGERIES["hold lifted"])
    with opened(folder) as gallery:
        assert len(forged(gallery)) == 1


def test_that_they_are_bound_cannot_be_taken_out(folder):
    change(folder, """UPDATE vault SET wrapped = replace(wrapped, ', "rights": ""', '')""", FORGERIES["hold lifted"])
    with pytest.raises(GalleryDamagedError, match="encrypted keys were altered"):
        opened(folder)


def test_in_the_open_nothing_is_sealed(tmp_path):
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
    with closing(sqlite3.connect(tmp_path / "g" / "gallery.db")) as database:
        assert database.execute("SELECT DISTINCT rights FROM subjects").fetchall() == [(None,)]
    change(tmp_path / "g", FORGERIES["hold lifted"])
    with opened(tmp_path / "g") as gallery:
        assert gallery.check() == []
        assert gallery.erase(ADA)
