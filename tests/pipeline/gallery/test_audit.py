"""The audit log: every change is in it, in the transaction of the change, and whatever is done to it is found."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from gallery_samples import DIMENSION, MODEL, sample_of

from pipeline.errors import ConfigError, GalleryError, SubjectNotFoundError
from pipeline.gallery import Anchor, Gallery, Scribe
from pipeline.gallery.anchor import End


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def gallery(location, home):
    with Gallery.open(location, MODEL, DIMENSION, scribe=Scribe("ada", Anchor(home))) as opened:
        yield opened


def told(gallery):
    """Action, target and detail of each entry after the first."""
    return [(entry.action, entry.target, json.loads(entry.detail)) for entry in gallery.audit()][1:]


def kinds(verdict):
    return [finding.kind for finding in verdict.findings]


def test_every_change_is_in_the_log(gallery):
    one, two = gallery.enrol("Xanthippe", [sample_of(1), sample_of(2)])
    ada = gallery.subject_id("Xanthippe")
    gallery.enrol_many([("Bob", sample_of(3)), ("Eve", sample_of(4))])
    bob, eve = gallery.subject_id("Bob"), gallery.subject_id("Eve")
    gallery.rename("Xanthippe", "Ada")
    assert gallery.subject_id("Ada") == ada, "the id stays when the name goes"
    gallery.split([two], "Zoe")
    zoe = gallery.subject_id("Zoe")
    gallery.merge("Bob", "Eve")
    gallery.remove_sample(one)
    gallery.remove("Eve")
    gallery.put_document("operating_points", {"points": []})
    gallery.update_document("operating_points", lambda _: {"points": [1]})
    assert gallery.drop_document("operating_points")
    assert not gallery.drop_document("operating_points"), "and what changes nothing is not"
    document = ("document:operating_points", {"model_id": MODEL})
    assert told(gallery) == [
        ("enrol", f"subject:{ada}", {"samples": 2}),
        ("enrol", "subjects", {"samples": {bob: 1, eve: 1}}),
        ("rename", f"subject:{ada}", {}),
        ("split", f"subject:{zoe}", {"from": [ada], "samples": [two]}),
        ("merge", f"subject:{bob}", {"into": eve, "samples": 1}),
        ("remove_sample", f"subject:{ada}", {"sample": one}),
        ("remove", f"subject:{eve}", {"samples": 2}),
        ("document", *document),
        ("document", *document),
        ("drop_document", *document),
    ]
    everything = " ".join(f"{entry.as_dict()}" for entry in gallery.audit())
    assert not any(name in everything for name in ("Xanthippe", "Ada", "Bob", "Eve", "Zoe", "photos/"))
    verdict = gallery.verify_audit()
    assert (verdict.findings, verdict.entries) == ((), 11)
    assert verdict.signed_by


def test_the_first_entry_says_what_was_there_already(location, home):
    with Gallery.open(location, MODEL, DIMENSION, scribe=Scribe("ada", Anchor(home))) as gallery:
        gallery.record("login", "user:bob")
        first = next(gallery.audit())
    assert (first.id, first.action, first.previous_hash) == (1, "audit_start", "0" * 64)
    assert json.loads(first.detail) == {"generation": 0, "subjects": 0, "samples": 0}


def test_a_change_that_fails_is_not_in_the_log(gallery):
    gallery.enrol("Ada", [sample_of(1)])
    with pytest.raises(GalleryError):
        gallery.enrol("Bob", [sample_of(1)])
    with pytest.raises(SubjectNotFoundError):
        gallery.remove("Bob")
    assert [action for action, *_ in told(gallery)] == ["enrol"]


def test_who_acts_stands_in_the_log(gallery):
    view = gallery.acting_as("grace")
    assert (view.actor, gallery.actor) == ("grace", "ada")
    view.enrol("Xanthippe", [sample_of(1)])
    gallery.remove("Xanthippe")
    assert [entry.actor for entry in gallery.audit()] == ["grace", "grace", "ada"]
    assert [entry.action for entry in gallery.audit(actor="grace")] == ["audit_start", "enrol"]


def test_a_record_names_subjects_by_their_ids(gallery):
    gallery.enrol("Xanthippe", [sample_of(1)])
    gallery.record("identify", detail={"photos": 3}, subjects=["Xanthippe", "Nobody"])
    gallery.record("export", "somewhere")
    uid = gallery.subject_id("Xanthippe")
    assert told(gallery)[1:] == [("identify", "", {"photos": 3, "subjects": [uid]}), ("export", "somewhere", {})]
    assert [entry.action for entry in gallery.audit(subject_id=uid)] == ["enrol", "identify"]
    assert [entry.action for entry in gallery.audit(action="export")] == ["export"]
    middle = list(gallery.audit())[2].at
    assert [entry.action for entry in gallery.audit(until=middle)] == ["audit_start", "enrol"]
    assert [entry.action for entry in gallery.audit(since=middle)] == ["identify", "export"]


def test_a_record_changes_nothing_that_is_searched(gallery):
    gallery.enrol("Ada", [sample_of(1)])
    before = gallery.generation
    gallery.record("search")
    assert gallery.generation == before


def test_the_database_refuses_to_change_the_log(gallery):
    gallery.enrol("Ada", [sample_of(1)])
    for statement in ("UPDATE audit SET actor = 'eve'", "DELETE FROM audit WHERE id = 1"):
        with pytest.raises(GalleryError, match="append-only"), gallery._truth.writing() as connection:
            connection.exec_driver_sql(statement)
    assert gallery.verify_audit().findings == ()


def test_the_key_is_its_owners_alone(tmp_path, home):
    anchor = Anchor(home)
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION, scribe=Scribe("ada", anchor)) as gallery:
        gallery.record("login")
    assert anchor.key_file.stat().st_mode & 0o777 == 0o600
    assert home.joinpath("audit").stat().st_mode & 0o777 == 0o700
    anchor.key_file.chmod(0o640)
    with (
        Gallery.open(tmp_path / "g", MODEL, DIMENSION, scribe=Scribe("ada", Anchor(home))) as gallery,
        pytest.raises(ConfigError, match="chmod 600"),
    ):
        gallery.enrol("Ada", [sample_of(1)])
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION) as gallery:
        assert len(gallery) == 0, "nothing is enrolled without its entry"


def test_a_writer_without_the_key_is_seen(tmp_path, home):
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION, scribe=Scribe("ada", Anchor(home))) as gallery:
        gallery.record("login")
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION) as other:
        other.record("unsigned")
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION, scribe=Scribe("ada", Anchor(home))) as gallery:
        gallery.record("login")  # does not vouch for what it has not seen
        verdict = gallery.verify_audit()
        assert kinds(verdict) == ["not_signed"]
        assert verdict.findings[0].entry == 3
        assert [finding.kind for finding in gallery.accept_audit()] == ["not_signed"]
        assert gallery.verify_audit().findings == ()
        assert [entry.action for entry in gallery.audit()][-1] == "audit_accept"


def change(folder, *statements):
    """What somebody does who may write the file: drops the triggers first."""
    with sqlite3.connect(folder / "gallery.db") as database:
        database.executescript("DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete;" + ";".join(statements))
    database.close()


CUT = "DELETE FROM audit WHERE id = 6"
FITS = "UPDATE audit_head SET entries = 5, last_hash = (SELECT entry_hash FROM audit WHERE id = 5)"
SIGNED = "UPDATE audit_head SET signed_entries = entries, signed_hash = last_hash"
SWAPPED = ("UPDATE audit SET id = -1 WHERE id = 3", "UPDATE audit SET id = 3 WHERE id = 4")
AS_NEW = (
    "UPDATE audit_head SET entries = 0, last_hash = printf('%064d', 0), key_id = '', signature = ''",
    SIGNED,
)
TAMPERED = {
    "the tail is cut off": ([CUT], "end_changed", 6),
    "the whole table is emptied": (["DELETE FROM audit"], "end_changed", 1),
    "an entry is taken out": (["DELETE FROM audit WHERE id = 3"], "entry_missing", 3),
    "entries are swapped": ([*SWAPPED, "UPDATE audit SET id = 4 WHERE id = -1"], "entry_changed", 3),
    "an actor is another": (["UPDATE audit SET actor = 'eve' WHERE id = 4"], "entry_changed", 4),
    "the tail is cut off and the end made to fit": ([CUT, FITS], "not_signed", 6),
    "and what is signed too": ([CUT, FITS, SIGNED], "signature_wrong", None),
    "the log is made a new one": (["DELETE FROM audit", *AS_NEW], "older_than_seen", 1),
    "the end is gone": (["DELETE FROM audit_head"], "end_changed", None),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_tampering_is_found_also_after_more_was_written(tmp_path, home, what):
    statements, kind, entry = TAMPERED[what]
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION, scribe=Scribe("ada", Anchor(home))) as gallery:
        for number in range(5):
            gallery.record("login", f"user:{number}")
        assert gallery.verify_audit().findings == ()
    change(tmp_path / "g", *statements)
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION, scribe=Scribe("ada", Anchor(home))) as gallery:
        found = gallery.verify_audit().findings
        assert (found[0].kind, found[0].entry) == (kind, entry)
        if what == "the end is gone":
            with pytest.raises(GalleryError, match="restore a backup"):
                gallery.record("login")
            return
        for number in range(10):
            gallery.record("login", f"user:{number}")
        assert gallery.verify_audit().findings, "what is written afterwards covers nothing up"


def test_an_older_copy_of_the_whole_gallery_is_found(tmp_path, home):
    file = tmp_path / "g" / "gallery.db"
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION, scribe=Scribe("ada", Anchor(home))) as gallery:
        gallery.record("login")
        gallery.compact()
    older = file.read_bytes()
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION, scribe=Scribe("ada", Anchor(home))) as gallery:
        gallery.record("what they want to hide")
    file.write_bytes(older)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    with Gallery.open(tmp_path / "g", MODEL, DIMENSION, scribe=Scribe("ada", Anchor(home))) as gallery:
        assert kinds(gallery.verify_audit()) == ["older_than_seen"]
        for _ in range(3):
            gallery.record("login")
        assert "older_than_seen" in kinds(gallery.verify_audit())


def test_the_end_is_noted_where_no_key_was_ever_made(tmp_path: Path) -> None:
    anchor, end = Anchor(tmp_path / "home"), End("c" * 32, 3, "a" * 64)
    anchor.note("place", end)
    assert anchor.seen("place") == end
    assert not anchor.key_file.exists()
