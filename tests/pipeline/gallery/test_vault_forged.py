"""Who may write an encrypted gallery's database, but has no key, is taken for nobody else, and makes nobody match."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from gallery_samples import probe_of, sample_of, vector_of
from vault_samples import KEY, NAMES, OTHER, fill, opened

from pipeline.errors import GalleryDamagedError
from pipeline.gallery import Anchor, Gallery, KeyPlaces, Scribe
from pipeline.gallery.documents import encode
from pipeline.gallery.vault.files import FileKeys
from pipeline.gallery.vault.seen import Seen


@pytest.fixture
def folder(tmp_path):
    with opened(tmp_path / "g") as gallery:
        fill(gallery)
        gallery.put_document("operating_points", {"points": [{"threshold": 0.4}]})
        gallery.vault().init(KEY)
    return tmp_path / "g"


def change(folder, *statements):
    with closing(sqlite3.connect(folder / "gallery.db")) as database, database:
        for statement in statements:
            database.execute(*statement) if isinstance(statement, tuple) else database.execute(statement)


def taken_for(gallery, key):
    (found,) = gallery.search(probe_of(key))
    return found.subjects[0] if len(found.subjects) and found.scores[0] > 0.99 else None


@pytest.mark.parametrize("saved", [False, True])
def test_a_photo_that_is_given_to_somebody_else(folder, saved):
    with opened(folder) as gallery:
        assert not saved or gallery.save_index()
        before = sqlite3.connect(folder / "gallery.db").execute("SELECT id, subject_id FROM samples").fetchall()
    change(folder, "UPDATE meta SET generation = generation + 1")
    change(
        folder,
        "UPDATE samples SET changed = (SELECT generation FROM meta), "
        "subject_id = CASE subject_id WHEN 1 THEN 2 WHEN 2 THEN 1 ELSE subject_id END",
    )
    with opened(folder) as gallery:
        assert taken_for(gallery, f"{NAMES[0]} 0") == (NAMES[0] if saved else None)  # what was saved is right
        assert taken_for(gallery, f"{NAMES[2]} 0") == NAMES[2]
        assert {problem.kind for problem in gallery.check()} >= {"bad_vector"}
    for row in before:
        change(folder, ("UPDATE samples SET subject_id = ? WHERE id = ?", row[::-1]))
    with opened(folder) as gallery:
        assert taken_for(gallery, f"{NAMES[0]} 0") == NAMES[0]


def test_a_change_of_the_model_does_not_take_it_over(folder):
    change(folder, "UPDATE samples SET subject_id = 2 WHERE id = 1")
    with opened(folder) as gallery:
        assert [one.key for one in gallery.switching().waiting("another@1", after=1, limit=2)] == [2, 3]
        with pytest.raises(GalleryDamagedError, match=r"templates\.vector .* belongs elsewhere"):
            gallery.switching().waiting("another@1", limit=5)


@pytest.mark.parametrize("saved", [False, True])
def test_two_people_whose_rows_are_exchanged(folder, saved):
    with opened(folder) as gallery:
        assert not saved or gallery.save_index()
    change(
        folder,
        "UPDATE meta SET generation = generation + 1",
        "UPDATE subjects SET changed = (SELECT generation FROM meta)",
        "UPDATE subjects SET id = -id",
        "UPDATE subjects SET id = CASE id WHEN -1 THEN 2 WHEN -2 THEN 1 ELSE -id END",
    )
    with opened(folder) as gallery, pytest.raises(GalleryDamagedError, match=r"subjects\.name .* has changed it"):
        taken_for(gallery, f"{NAMES[0]} 0")


def test_a_threshold_that_lets_everybody_match(folder):
    text = encode("operating_points", {"points": [{"threshold": -1.0}]})
    with opened(folder) as gallery:
        assert gallery.document("operating_points") == {"points": [{"threshold": 0.4}]}
    change(folder, ("UPDATE documents SET body = ? WHERE kind = 'operating_points'", (text,)))
    with opened(folder) as gallery:
        with pytest.raises(GalleryDamagedError, match=r"documents\.body .* is not encrypted"):
            gallery.document("operating_points")
        assert {problem.kind for problem in gallery.check()} == {"bad_value"}
    change(folder, "UPDATE documents SET kind = 'other' WHERE kind = 'operating_points'")
    with opened(folder) as gallery, pytest.raises(GalleryDamagedError):
        gallery.document("other")


def test_documents_are_sealed_and_go_through_rotation_and_backup(folder, tmp_path):
    wanted = {"points": [{"threshold": 0.4}]}
    with opened(folder) as gallery:
        gallery.vault().rotate(KEY)
        assert gallery.document("operating_points") == wanted
        gallery.put_document("note", {"of": "Kaczmarek"})
        gallery.backup(tmp_path / "backup.db")
        assert gallery.check() == []
    body = (folder / "gallery.db").read_bytes() + (tmp_path / "backup.db").read_bytes()
    assert b"Kaczmarek" not in body
    assert json.dumps(wanted, separators=(",", ":")).encode() not in body
    with opened(folder) as gallery:
        gallery.release(NAMES[0])
        gallery.restore(tmp_path / "backup.db", folder)
        assert gallery.document("note") == {"of": "Kaczmarek"}


def test_who_is_merged_split_and_renamed_is_still_found(folder):
    with opened(folder) as gallery:
        gallery.merge(NAMES[1], NAMES[0])
        assert taken_for(gallery, f"{NAMES[1]} 1") == NAMES[0]
        some = [one.id for one in gallery.subject(NAMES[0]).samples][:2]
        gallery.split(some, "Somebody new")
        gallery.rename(NAMES[2], "Renamed")
    with opened(folder) as gallery:
        assert taken_for(gallery, f"{NAMES[0]} 0") == "Somebody new"
        assert taken_for(gallery, f"{NAMES[2]} 0") == "Renamed"
        assert gallery.check() == []
        gallery.vault().rotate(KEY, OTHER)
        assert taken_for(gallery, f"{NAMES[0]} 1") == "Somebody new"


def test_values_in_the_open_are_let_pass_while_it_says_so_and_nobody_else_can_say_so(folder):
    vector = vector_of("mallory").astype("<f4").tobytes()
    change(folder, "UPDATE vault SET state = 'encrypting'", ("UPDATE templates SET vector = ? WHERE id = 1", (vector,)))
    with pytest.raises(GalleryDamagedError, match="keys were altered"):
        opened(folder)


@pytest.fixture
def watched(tmp_path):
    """An encrypted gallery whose user's data folder knows that it is."""
    anchor = Anchor(tmp_path / "home")
    keys = KeyPlaces(KEY.text, seen=Seen(anchor.folder))
    with opened(tmp_path / "g", keys, scribe=Scribe("ada", anchor)) as gallery:
        fill(gallery)
        gallery.release(NAMES[0])
        gallery.backup(tmp_path / "plain.db")
        gallery.vault().init(KEY)
    return tmp_path / "g", keys, Scribe("ada", anchor)


def test_a_gallery_does_not_become_one_in_the_open_without_a_word(watched):
    folder, keys, _ = watched
    with opened(folder, keys) as gallery:
        gallery.enrol("Eve", [sample_of("eve")])
        change(folder, "DELETE FROM vault")
        with pytest.raises(GalleryDamagedError, match="was encrypted and is not any more"):
            gallery.enrol("Mallory", [sample_of("mallory")])
    with pytest.raises(GalleryDamagedError, match="was encrypted and is not any more"):
        opened(folder, keys)
    (folder / "gallery.db").unlink()
    with pytest.raises(GalleryDamagedError, match="if you have put another gallery there"):
        opened(folder, keys)
    with pytest.raises(GalleryDamagedError, match="was encrypted"):
        FileKeys(str(folder), keys).current()


def test_a_backup_from_before_makes_it_plain_and_the_folder_knows_that(watched, tmp_path):
    folder, keys, scribe = watched
    Gallery.restore(tmp_path / "plain.db", folder, scribe, in_the_open=True)
    with opened(folder, keys) as gallery:
        assert taken_for(gallery, f"{NAMES[0]} 0") == NAMES[0]
        gallery.vault().init(KEY)
        change(folder, "DELETE FROM vault")
        with pytest.raises(GalleryDamagedError, match="was encrypted"):
            gallery.subjects()
