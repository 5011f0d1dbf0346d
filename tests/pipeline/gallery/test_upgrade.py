"""A gallery of every earlier schema: opening upgrades it, all of it is found, and a kill on the way harms nothing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of

from pipeline.errors import GalleryDamagedError, GalleryVersionError
from pipeline.gallery.gallery import Gallery
from pipeline.gallery.schema import REVISIONS

GOLDEN = Path(__file__).parents[2] / "golden" / "gallery_v0001.sql"
PEOPLE = {"ada 1": "Ada", "ada 2": "Ada", "zoe": "Zoë K.", "bob": "Bob", "robert": "Bob"}

BACK_TO_THE_FIRST = """
DROP TABLE documents; DROP TABLE holds; DROP TABLE audit_head; DROP TABLE vault;
DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete;
DROP INDEX audit_target; DROP INDEX subjects_uid; ALTER TABLE subjects DROP COLUMN uid;
ALTER TABLE subjects DROP COLUMN rights;
ALTER TABLE consent DROP COLUMN text_version; ALTER TABLE consent DROP COLUMN given_by;
ALTER TABLE consent DROP COLUMN recorded_by; UPDATE alembic_version SET version_num = '0001';
"""

KILLED = """
import os, signal, sys
import sqlalchemy as sa
from pipeline.gallery.gallery import Gallery
@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def _kill(connection, cursor, statement, *_):
    if {moment!r} in " ".join(statement.split()):
        os.kill(os.getpid(), signal.SIGKILL)
Gallery.open(sys.argv[1], {model!r}, {dimension})
"""


def old_database(file):
    file.parent.mkdir(exist_ok=True)
    with sqlite3.connect(file) as database:
        database.executescript(GOLDEN.read_text(encoding="utf-8"))
    database.close()
    return file


def revision_of(file):
    with sqlite3.connect(file) as database:
        [(revision,)] = database.execute("SELECT version_num FROM alembic_version").fetchall()
    database.close()
    return revision


@pytest.fixture
def old(tmp_path):
    """The folder of a gallery of the first schema, in WAL mode as galleries are."""
    database = old_database(tmp_path / "old" / "gallery.db")
    assert revision_of(database) == "0001"
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    return tmp_path / "old"


def assert_whole(gallery):
    """Everybody of the old gallery is found, nobody else is there, and nothing is wrong."""
    found = gallery.search(probe_of(*PEOPLE), k=1)
    assert [one.subjects for one in found] == [(name,) for name in PEOPLE.values()]
    assert all(one.scores[0] > 0.9999 for one in found)
    assert gallery.search(probe_of("eve"), k=1)[0].scores[0] < 0.9
    assert [(info.name, info.samples) for info in gallery.subjects()] == [("Ada", 2), ("Bob", 2), ("Zoë K.", 1)]
    first, second = gallery.export("Ada")["samples"]
    assert (first["crop_png"], second["quality"]) == ("iVBORyBhZGE=", 0.5)
    assert gallery.check() == []


def test_opening_upgrades_a_gallery_of_the_first_schema(old):
    with Gallery.open(old, MODEL, DIMENSION, create=False) as gallery:
        assert_whole(gallery)
        before = gallery.generation
        gallery.put_document("operating_points", {"points": []})
        gallery.enrol("Eve", [sample_of("eve")])
        assert gallery.generation == before + 2
    assert revision_of(old / "gallery.db") == REVISIONS[-1]
    with Gallery.open(old, MODEL, DIMENSION, create=False) as gallery:
        assert gallery.search(probe_of("eve"), k=1)[0].subjects == ("Eve",)
        assert gallery.document("operating_points") == {"points": []}


def test_the_index_of_the_old_gallery_goes_on(old):
    with Gallery.open(old, MODEL, DIMENSION) as gallery:
        assert gallery.save_index()
    with sqlite3.connect(old / "gallery.db") as database:  # as the earlier code left it: its schema, an index beside it
        database.executescript(BACK_TO_THE_FIRST)
    database.close()
    with Gallery.open(old, MODEL, DIMENSION) as gallery:
        assert_whole(gallery)
        assert gallery.stats()["index"]["saved_generation"] == gallery.generation


def test_a_backup_of_the_first_schema_is_restored(tmp_path, gallery):
    backup = old_database(tmp_path / "backups" / "one.db")
    before = backup.read_bytes()
    Gallery.restore(backup, tmp_path / "new")
    with Gallery.open(tmp_path / "new", MODEL, DIMENSION, create=False) as restored:
        assert_whole(restored)
    gallery.enrol("Eve", [sample_of("eve")])
    gallery.put_document("operating_points", {"points": [1]})
    Gallery.restore(backup, tmp_path / "gallery")
    assert_whole(gallery)  # who has it open goes on
    assert gallery.document("operating_points") is None
    assert backup.read_bytes() == before
    assert [file.name for file in backup.parent.iterdir()] == ["one.db"]
    assert not list((tmp_path / "new").glob("*.tmp*"))


def test_a_damaged_backup_of_the_first_schema_is_refused(tmp_path, gallery):
    gallery.enrol("Eve", [sample_of("eve")])
    for statement in (
        "DROP TABLE removed",
        "UPDATE subjects SET name = x'ff00' WHERE id = 1",
        "DELETE FROM meta",
        "CREATE TABLE documents (id)",  # a table of the later schema
    ):
        backup = old_database(tmp_path / "one.db")
        with sqlite3.connect(backup) as database:
            database.execute(statement)
        database.close()
        with pytest.raises(GalleryDamagedError, match=r"one\.db"):
            Gallery.restore(backup, tmp_path / "gallery")
        backup.unlink()
    assert gallery.search(probe_of("eve"))[0].subjects == ("Eve",)


@pytest.mark.parametrize("moment", ["BEGIN IMMEDIATE", "CREATE TABLE documents", "UPDATE alembic_version"])
def test_a_kill_during_the_upgrade_leaves_the_old_gallery(old, moment):
    program = KILLED.format(moment=moment, model=MODEL, dimension=DIMENSION)
    killed = subprocess.run([sys.executable, "-c", program, str(old)], capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert revision_of(old / "gallery.db") == "0001"
    with Gallery.open(old, MODEL, DIMENSION, create=False) as gallery:
        assert_whole(gallery)
    assert revision_of(old / "gallery.db") == REVISIONS[-1]


def test_a_gallery_of_a_newer_schema_is_refused_and_left_alone(old):
    with sqlite3.connect(old / "gallery.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0999'")
    database.close()
    before = (old / "gallery.db").read_bytes()
    with pytest.raises(GalleryVersionError, match=r"newer Knownface \(schema 0999; this one knows"):
        Gallery.open(old, MODEL, DIMENSION)
    with pytest.raises(GalleryVersionError, match="newer Knownface"):
        Gallery.restore(old_database(old.parent / "one.db"), old)
    assert (old / "gallery.db").read_bytes() == before
