"""A backup turns the gallery back, not its audit log."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from gallery_samples import DIMENSION, MODEL, sample_of

from pipeline.errors import GalleryDamagedError, LegalHoldError
from pipeline.gallery import Anchor, Gallery, Scribe


@pytest.fixture
def scribe(tmp_path):
    return Scribe("ada", Anchor(tmp_path / "home"))


@pytest.fixture
def opened(tmp_path, scribe):
    return lambda name="g": Gallery.open(tmp_path / name, MODEL, DIMENSION, scribe=scribe)


def actions(gallery):
    return [entry.action for entry in gallery.audit()]


def test_the_log_goes_on_over_a_restored_backup(tmp_path, opened, scribe):
    with opened() as gallery:
        gallery.enrol("Ada", [sample_of(1)])
        gallery.backup(tmp_path / "one.db")
        gallery.enrol("Bob", [sample_of(2)])
        before = gallery.verify_audit().end
        Gallery.restore(tmp_path / "one.db", tmp_path / "g", scribe)
        assert [info.name for info in gallery.subjects()] == ["Ada"]
        assert actions(gallery) == ["audit_start", "enrol", "backup", "enrol", "restore"]
        *_, entry = gallery.audit()
        assert entry.previous_hash == before.last_hash
        detail = json.loads(entry.detail)
        assert (detail["log"], detail["backup_signed"], detail["backup"]["chain"]) == ("kept", True, before.chain_id)
        gallery.enrol("Eve", [sample_of(3)])
        assert gallery.verify_audit().findings == ()


def test_a_backup_in_an_empty_place_brings_its_log(tmp_path, opened, scribe):
    with opened() as gallery:
        gallery.enrol("Ada", [sample_of(1)])
        gallery.backup(tmp_path / "one.db")
        chain = gallery.verify_audit().end.chain_id
    Gallery.restore(tmp_path / "one.db", tmp_path / "new", scribe)
    with opened("new") as gallery:
        assert actions(gallery) == ["audit_start", "enrol", "restore"]
        verdict = gallery.verify_audit()
        assert verdict.findings == ()
        assert verdict.end.chain_id != chain


def test_a_damaged_gallery_gets_the_log_of_the_backup_and_says_what_is_lost(tmp_path, opened, scribe):
    with opened() as gallery:
        gallery.enrol("Ada", [sample_of(1)])
        gallery.backup(tmp_path / "one.db")
        gallery.enrol("Bob", [sample_of(2)])
        end = gallery.verify_audit().end
    (tmp_path / "g" / "gallery.db").write_bytes(b"no database" * 1000)
    Gallery.restore(tmp_path / "one.db", tmp_path / "g", scribe)
    with opened() as gallery:
        assert gallery.verify_audit().findings == ()
        *_, entry = gallery.audit()
        assert json.loads(entry.detail)["lost"] == {
            "chain": end.chain_id, "entries": end.entries, "last_hash": end.last_hash
        }  # fmt: skip


def test_a_gallery_with_a_legal_hold_is_not_replaced(tmp_path, opened, scribe):
    with opened() as gallery:
        gallery.enrol("Ada", [sample_of(1)])
        gallery.backup(tmp_path / "one.db")
        gallery.hold("Ada", "case 12")
        with pytest.raises(LegalHoldError, match="not replaced"):
            Gallery.restore(tmp_path / "one.db", tmp_path / "g", scribe)
        gallery.release("Ada")
        Gallery.restore(tmp_path / "one.db", tmp_path / "g", scribe)
        assert gallery.verify_audit().findings == ()


def changed(file, statement):
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(statement)


@pytest.mark.parametrize("into", ["g", "new"])
def test_a_backup_without_its_triggers_gets_them_back(tmp_path, opened, scribe, into):
    with opened() as gallery:
        gallery.enrol("Ada", [sample_of(1)])
        gallery.backup(tmp_path / "one.db")
    changed(tmp_path / "one.db", "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete")
    Gallery.restore(tmp_path / "one.db", tmp_path / into, scribe)
    with pytest.raises(sqlite3.DatabaseError, match="audit"):
        changed(tmp_path / into / "gallery.db", "DELETE FROM audit")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE samples SET uid = '../../evil'",
        "UPDATE samples SET photo_sha256 = '<script>'",
        "UPDATE subjects SET uid = 'a/b'",
        "UPDATE subjects SET name = 'Ada' || char(10) || 'King'",
        "UPDATE subjects SET name = ' Ada'",
        "UPDATE subjects SET name = 'Ada' || char(8238)",
    ],
)
def test_a_backup_with_names_that_no_gallery_gives_is_refused(tmp_path, opened, scribe, statement):
    with opened() as gallery:
        gallery.enrol("Ada", [sample_of(1)])
        gallery.backup(tmp_path / "one.db")
    changed(tmp_path / "one.db", statement)
    with pytest.raises(GalleryDamagedError, match="is damaged"):
        Gallery.restore(tmp_path / "one.db", tmp_path / "new", scribe)
    assert not (tmp_path / "new" / "gallery.db").exists()
