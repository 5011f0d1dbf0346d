"""Damaged and hostile databases: refused as a backup, found by check, and an error with a name when they are read."""

from __future__ import annotations

import sqlite3

import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of

from pipeline.errors import GalleryDamagedError, GalleryError, GalleryVersionError
from pipeline.gallery.gallery import Gallery


def change(file, statement):
    with sqlite3.connect(file) as database:
        database.execute(statement)
    database.close()


def names(folder):
    with Gallery.open(folder, MODEL, DIMENSION, create=False) as gallery:
        return [info.name for info in gallery.subjects()]


def bytes_in(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "gallery.lock"}


@pytest.fixture
def target(tmp_path):
    """A gallery that is closed, so that all of it stands in one file."""
    with Gallery.open(tmp_path / "target", MODEL, DIMENSION) as gallery:
        gallery.enrol("Bob", [sample_of("bob")])
        gallery.put_document("index", {"a": 1})
    return tmp_path / "target"


@pytest.fixture
def backup(tmp_path, gallery):
    gallery.enrol("Ada", [sample_of("ada", crop=b"png")])
    gallery.put_document("index", {"a": 1})
    gallery.backup(tmp_path / "one.db")
    return tmp_path / "one.db"


BAD_META = [
    "DELETE FROM meta",
    "UPDATE meta SET generation = 'abc'",
    "UPDATE meta SET generation = -1",
    "UPDATE meta SET generation = 9223372036854775807",
    "UPDATE meta SET removal = generation + 1",
    "UPDATE meta SET horizon = 1.5",
    "UPDATE meta SET gallery_id = x'ff00'",
]
BAD_SCHEMA = [
    "DELETE FROM alembic_version",
    "DROP TABLE alembic_version",
    "DROP TABLE templates",
    "DROP TABLE documents",
    "ALTER TABLE documents DROP COLUMN body",
    "ALTER TABLE samples DROP COLUMN landmarks",
    "CREATE TRIGGER late AFTER UPDATE ON meta BEGIN DELETE FROM subjects; END",
    "CREATE VIEW subjects_too AS SELECT * FROM subjects",
]
BAD_VALUES = {
    "UPDATE subjects SET name = x'ff00'": "name",
    "UPDATE subjects SET name = CAST(x'ff00' AS TEXT)": "name",
    "UPDATE subjects SET name = ''": "name",
    "UPDATE subjects SET created_us = 'abc'": "created_us",
    "UPDATE samples SET landmarks = x'ff00'": "landmarks",
    "UPDATE samples SET landmarks = 'abc'": "landmarks",
    "UPDATE samples SET landmarks = 40": "landmarks",
    "UPDATE samples SET box_x0 = 'abc'": "box_x0",
    "UPDATE samples SET box_y1 = 9e999": "box_y1",
    "UPDATE samples SET image_h = x'00'": "image_h",
    "UPDATE samples SET source = x'ff'": "source",
    "UPDATE samples SET quality = 'good'": "quality",
    "UPDATE samples SET crop = 7": "crop",
    "UPDATE templates SET norm = 'abc'": "norm",
    "UPDATE documents SET kind = x'ff00'": "kind",
    "UPDATE documents SET model_id = CAST(x'ff00' AS TEXT)": "model_id",
    "UPDATE documents SET body = 'no json'": "body",
    "UPDATE documents SET body = '[]'": "body",
    "UPDATE documents SET body = x'7b7d'": "body",
    "UPDATE documents SET body = CAST(x'7bff7d' AS TEXT)": "body",
    "UPDATE documents SET created_us = 'abc'": "created_us",
}


@pytest.mark.parametrize("statement", [*BAD_META, *BAD_SCHEMA, *BAD_VALUES])
def test_a_damaged_backup_is_refused(backup, target, tmp_path, statement):
    before = bytes_in(target)
    change(backup, statement)
    with pytest.raises(GalleryDamagedError, match=r"one\.db") as raised:
        Gallery.restore(backup, target)
    assert len(raised.value.message.splitlines()) == 1
    assert bytes_in(target) == before
    with pytest.raises(GalleryDamagedError):
        Gallery.restore(backup, tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(("statement", "column"), BAD_VALUES.items())
def test_check_finds_values_that_cannot_be(target, statement, column):
    change(target / "gallery.db", statement)
    with Gallery.open(target, MODEL, DIMENSION) as gallery:
        for repair in (False, True):
            [problem] = gallery.check(repair=repair)
            assert (problem.kind, problem.repaired) == ("bad_value", False)
            assert f"its {column};" in problem.message
            assert "row 1 of" in problem.message


def test_check_counts_what_it_does_not_show(gallery, tmp_path):
    gallery.enrol_many([(f"s{n}", sample_of(n)) for n in range(50)])
    change(tmp_path / "gallery" / "gallery.db", "UPDATE samples SET landmarks = x'00'")
    found = gallery.check()
    assert len(found) == 21
    assert "30 more rows of samples" in found[-1].message


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("UPDATE subjects SET name = x'ff00'", lambda gallery: gallery.subjects()),
        ("UPDATE subjects SET name = x'ff00'", lambda gallery: gallery.search(probe_of("bob"))),
        ("UPDATE subjects SET name = x'ff00'", lambda gallery: gallery.subject("Bob")),
        ("UPDATE subjects SET name = CAST(x'ff00' AS TEXT)", lambda gallery: gallery.subjects()),
        ("UPDATE subjects SET created_us = 9223372036854775807", lambda gallery: gallery.subjects()),
        ("UPDATE samples SET landmarks = x'ff00'", lambda gallery: gallery.subject("Bob")),
        ("UPDATE samples SET landmarks = x'ff00'", lambda gallery: gallery.export("Bob")),
        ("UPDATE samples SET landmarks = 'abc'", lambda gallery: gallery.subject("Bob")),
        ("UPDATE samples SET box_x0 = 'abc'", lambda gallery: gallery.subject("Bob")),
        ("UPDATE samples SET quality = 'good'", lambda gallery: gallery.export("Bob")),
        ("UPDATE templates SET vector = 'abc'", lambda gallery: gallery.export("Bob")),
        ("UPDATE documents SET body = '[]'", lambda gallery: gallery.document("index")),
        ("UPDATE documents SET body = x'ff00'", lambda gallery: gallery.document("index")),
        ("UPDATE documents SET body = CAST(x'ff00' AS TEXT)", lambda gallery: gallery.document("index")),
    ],
)
def test_reading_what_cannot_be_is_an_error_with_a_name(target, statement, read):
    change(target / "gallery.db", statement)
    with Gallery.open(target, MODEL, DIMENSION) as gallery, pytest.raises(GalleryDamagedError) as raised:
        read(gallery)
    assert len(raised.value.message.splitlines()) == 1


@pytest.mark.parametrize("statement", ["DELETE FROM meta", "UPDATE meta SET generation = 'abc'", BAD_SCHEMA[0]])
def test_a_gallery_without_its_number_does_not_open_and_is_mended_by_a_backup(backup, target, statement):
    change(target / "gallery.db", statement)
    with pytest.raises(GalleryDamagedError, match="restore a backup"):
        Gallery.open(target, MODEL, DIMENSION)
    Gallery.restore(backup, target)
    assert names(target) == ["Ada"]


def test_meta_that_goes_while_a_gallery_is_open(gallery, tmp_path):
    gallery.enrol("Ada", [sample_of("ada")])
    change(tmp_path / "gallery" / "gallery.db", "DELETE FROM meta")
    with pytest.raises(GalleryDamagedError):
        gallery.enrol("Bob", [sample_of("bob")])
    change(
        tmp_path / "gallery" / "gallery.db", "INSERT INTO meta VALUES (1, 'x', 5, 5, 5, 0)"
    )  # so that it closes as usual


def test_a_vector_of_another_kind_is_a_bad_vector(gallery, tmp_path):
    gallery.enrol("Ada", [sample_of("ada")])
    gallery.enrol("Bob", [sample_of("bob")])
    change(tmp_path / "gallery" / "gallery.db", "UPDATE templates SET vector = 7 WHERE id = 1")
    [problem] = gallery.check()
    assert problem.kind == "bad_vector"
    assert gallery.search(probe_of("bob"))[0].subjects == ("Bob",)


def test_the_gallery_s_own_file_is_no_backup_of_it(gallery, tmp_path):
    """Its log holds what the file does not: replaced by itself the gallery would lose it."""
    gallery.enrol("Ada", [sample_of("ada")])
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "gallery" / "gallery.db")
    for file in (tmp_path / "gallery" / "gallery.db", tmp_path / "gallery" / ".." / "gallery" / "gallery.db", link):
        with pytest.raises(GalleryError, match="own database"):
            Gallery.restore(file, tmp_path / "gallery")
    assert [info.name for info in gallery.subjects()] == ["Ada"]


def test_a_file_with_a_log_beside_it_is_no_backup(gallery, target, tmp_path):
    gallery.enrol("Ada", [sample_of("ada")])
    with pytest.raises(GalleryError, match=r"gallery\.db-wal.*knownface gallery backup"):
        Gallery.restore(tmp_path / "gallery" / "gallery.db", target)
    assert names(target) == ["Bob"]
    gallery.close()
    Gallery.restore(tmp_path / "gallery" / "gallery.db", target)  # closed, all of it stands in the file
    assert names(target) == ["Ada"]


def test_a_backup_that_changes_while_it_is_read_is_refused(backup, target, monkeypatch):
    def copy_while_somebody_writes(source, goal):
        goal.write_bytes(source.read_bytes())
        change(source, "DELETE FROM subjects")

    monkeypatch.setattr("pipeline.gallery.upkeep.shutil.copyfile", copy_while_somebody_writes)
    with pytest.raises(GalleryError, match="while it was read"):
        Gallery.restore(backup, target)
    assert names(target) == ["Bob"]


@pytest.mark.parametrize(
    ("statements", "error"),
    [
        (["CREATE TABLE accounts (id)"], GalleryDamagedError),
        (["CREATE TABLE accounts (id)", "CREATE TABLE alembic_version (version_num)"], GalleryDamagedError),
        (
            ["CREATE TABLE alembic_version (version_num)", "INSERT INTO alembic_version VALUES ('77af')"],
            GalleryVersionError,
        ),
    ],
)
def test_another_program_s_database_is_not_replaced(backup, tmp_path, statements, error):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for statement in statements:
        change(theirs / "gallery.db", statement)
    before = bytes_in(theirs)
    for act in (lambda: Gallery.open(theirs, MODEL, DIMENSION), lambda: Gallery.restore(backup, theirs)):
        with pytest.raises(error):
            act()
    assert bytes_in(theirs) == before
    assert {file.name for file in theirs.iterdir()} == {"gallery.db"}


def test_a_file_that_cannot_be_named(gallery, tmp_path):
    for act in (gallery.backup, lambda file: Gallery.restore(file, tmp_path / "gallery")):
        with pytest.raises(GalleryError):
            act(tmp_path / "a\0b" / "one.db")
