"""An encrypted gallery: it does what any gallery does, and without its key nothing of a person can be read in it."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of, vector_of
from vault_samples import KEY, NAMES, OTHER, all_of, crop_of, fill, in_files, needles, opened, texts

from app.traces import scan
from pipeline.errors import GalleryDamagedError, SubjectNotFoundError, VaultError, VaultLockedError
from pipeline.gallery.consents import NewConsent
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.in_use import Model
from pipeline.gallery.vault.master import KeyPlaces
from pipeline.gallery.vault.status import status_of


@pytest.fixture
def encrypted(location):
    with opened(location) as gallery:
        fill(gallery)
        gallery.vault().init(KEY)
        yield gallery


def test_what_an_encrypted_gallery_holds_is_what_it_held(location):
    with opened(location) as gallery, opened(location) as other:
        fill(gallery)
        before = all_of(gallery)
        assert all_of(other) == before
        told = []
        made = gallery.vault().init(KEY, lambda *now: told.append(now))
        assert (made.state, made.master_id) == ("on", KEY.id)
        assert told[-1][0] == told[-1][1]
        assert all_of(gallery) == before
        assert all_of(other) == before  # which had been open before
        assert gallery.check() == []
        assert [one.kind for one in gallery.verify_audit().findings] == ["not_signed"]  # there is no key for it here
    with opened(location) as gallery:
        assert all_of(gallery) == before
        assert status_of(location).as_dict()["state"] == "on"
        assert status_of(location).waiting == 0


def test_all_changes_of_an_encrypted_gallery(encrypted, location):
    gallery = encrypted
    ada, zoe, bob, orjan = NAMES
    assert [info.name for info in gallery.subjects()] == [ada, bob, zoe, orjan]
    assert [info.name for info in gallery.subjects(search="KACZ")] == [zoe]
    assert [info.name for info in gallery.subjects(limit=2, offset=1)] == [bob, zoe]
    assert [info.name for info in gallery.subjects(limit=2, after=ada)] == [bob, zoe]
    assert [info.name for info in gallery.subjects(after=zoe)] == [orjan]
    assert gallery.picture(zoe) == crop_of(zoe)
    with pytest.raises(SubjectNotFoundError, match=f"did you mean '{zoe}'"):
        gallery.subject("Zoe Kaczmarek")
    gallery.rename(bob, "Robert")
    gallery.merge(orjan, "Robert")
    assert len(gallery.consents("Robert")) == 1 + 1
    moved = gallery.enrol("Eve", [sample_of("eve"), sample_of("mallory", crop=b"png")])[1]
    gallery.split([moved], "Mallory")
    gallery.remove(zoe)
    assert gallery.consents(ada)[0].given_by == "Augusta Leigh"
    gallery.consent(ada, NewConsent("door", evidence="folder of Countess Byron", given_by="Augusta Leigh"))
    assert len(gallery.consents(ada)) == 1  # the very same one
    assert gallery.holds()[0].reason == "the case Babbage"
    assert gallery.subjects_without_consent() == ["Eve", "Mallory"]
    assert gallery.stands_as("babbage") == ["the reason of a legal hold"]
    assert gallery.stands_as("byron") == ["the evidence of a consent"]
    assert gallery.stands_as("mallory") == ["the name of a subject", "the place of an enrolled photo"]
    with opened(location) as other:
        assert [info.name for info in other.subjects()] == [ada, "Eve", "Mallory", "Robert"]
        found = other.search(probe_of("eve", "mallory", f"{orjan} 2", f"{zoe} 1"))
        assert [one.subjects[0] for one in found[:3]] == ["Eve", "Mallory", "Robert"]
        assert found[3].scores[0] < 0.9
        assert other.check() == []
        np.testing.assert_array_equal(other.templates("Eve")[0].vector, vector_of("eve"))


def test_templates_of_another_model_are_encrypted_too(encrypted):
    model = Model("other.model@11111111", DIMENSION)
    work = encrypted.switching()
    waiting = work.waiting(model.model_id, limit=100)
    assert {one.crop for one in waiting} == {crop_of(name) for name in NAMES}
    work.add(model, [(one.key, 2.0, vector_of(one.id)) for one in waiting], {"message": "Ada Lovelace: no crop"})
    assert work.progress()["message"] == "Ada Lovelace: no crop"
    assert work.dimension_of(model.model_id) == DIMENSION
    with encrypted.of_model(model) as other:
        name = waiting[0].subject
        found = other.search(probe_of(waiting[0].id, model_id=model.model_id))[0]
        assert (found.subjects[0], found.scores[0]) == (name, pytest.approx(1, abs=1e-5))


def test_no_key_and_a_wrong_key(encrypted, location):
    with pytest.raises(VaultLockedError, match=rf"its key {KEY.id} is missing: set KNOWNFACE_VAULT_KEY") as caught:
        Gallery.open(location, MODEL, DIMENSION)
    assert caught.value.code == "vault_locked"
    with pytest.raises(VaultLockedError, match=f"with the key {KEY.id}, not with {OTHER.id}"):
        opened(location, KeyPlaces(OTHER.text))
    assert status_of(location).as_dict()["master_key"] == KEY.id
    with pytest.raises(VaultError, match="is encrypted already"):
        encrypted.vault().init(KEY)


def test_somebody_who_has_it_open_without_the_key_is_locked_out(location):
    with opened(location) as gallery, Gallery.open(location, MODEL, DIMENSION) as other:
        fill(gallery)
        other.load()
        gallery.vault().init(KEY)
        for act in (lambda: other.enrol("Eve", [sample_of("eve")]), other.subjects, lambda: other.search(probe_of(1))):
            with pytest.raises(VaultLockedError):
                act()
        assert "Eve" not in [info.name for info in gallery.subjects()]


def test_nothing_of_a_person_is_readable_without_the_key(tmp_path):
    folder = tmp_path / "gallery"
    with opened(folder) as gallery:
        fill(gallery)
        assert gallery.save_index()
        held = all_of(gallery)[0]
        before = scan([folder], needles(held))
        assert {trace.what for trace in before.traces} == {"vector", "crop", "name"}
        assert all(in_files(folder, text) for text in texts())
        gallery.vault().init(KEY)
        for look in range(2):
            assert scan([folder], needles(held)).traces == (), look
            assert [in_files(folder, text) for text in texts()] == [[]] * len(texts())
            if not look:  # once more with an index file, and people who came afterwards
                gallery.enrol("Kaczmarek of the photos/", [sample_of("photos/ Kaczmarek", crop=crop_of("later"))])
                held["new"] = gallery.export("Kaczmarek of the photos/")
                assert gallery.save_index()
        assert [file.suffix for file in folder.iterdir()].count(".kfi") == 1
    assert scan([folder], needles(held)).traces == ()
    with opened(folder) as gallery:
        gallery.search(probe_of("x"))
        assert gallery.stats()["index"]["saved_generation"] is not None  # the file was used
        assert all_of(gallery)[0].keys() == {*NAMES, "Kaczmarek of the photos/"}


def test_a_key_that_was_printed_is_not_in_the_gallery(tmp_path):
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
        gallery.vault().init(KEY)
    for data in (KEY.value, KEY.text.encode(), KEY.value.hex().encode(), base64.urlsafe_b64encode(KEY.value)):
        assert in_files(tmp_path / "g", data) == []


def test_a_backup_stays_encrypted_and_can_be_restored(tmp_path):
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
        gallery.vault().init(KEY)
        held = all_of(gallery)
        gallery.backup(tmp_path / "one.db")
        gallery.remove(NAMES[1])
        assert not any(text in (tmp_path / "one.db").read_bytes() for text in texts())
        gallery.release(NAMES[0])
        Gallery.restore(tmp_path / "one.db", tmp_path / "g")
        assert all_of(gallery)[3] == held[3]
        Gallery.restore(tmp_path / "one.db", tmp_path / "elsewhere")
    with opened(tmp_path / "elsewhere") as other:
        assert all_of(other)[0] == held[0]
    with pytest.raises(VaultLockedError):
        Gallery.open(tmp_path / "elsewhere", MODEL, DIMENSION)


def test_a_backup_made_before_makes_the_gallery_plain_again(tmp_path):
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
        gallery.backup(tmp_path / "plain.db")
        gallery.vault().init(KEY)
        gallery.release(NAMES[0])
        Gallery.restore(tmp_path / "plain.db", tmp_path / "g", in_the_open=True)
        assert gallery.subjects()[0].name == NAMES[0]
        assert status_of(str(tmp_path / "g")).as_dict() == {"state": "off"}
        gallery.vault().init(KEY)
        assert gallery.check() == []


def test_what_is_put_in_plain_is_refused(tmp_path):
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
        gallery.vault().init(KEY)
        with closing(sqlite3.connect(tmp_path / "g" / "gallery.db")) as database, database:
            database.execute("UPDATE subjects SET folded = 'eve' WHERE id = 1")
            database.execute("UPDATE templates SET vector = ? WHERE id = 4", (vector_of("eve").tobytes(),))
        with pytest.raises(GalleryDamagedError, match=r"subjects\.name .* is not encrypted"):
            gallery.subjects()
