"""Opening a gallery: what is no gallery, is locked, or is open elsewhere."""

from __future__ import annotations

import sqlite3

import pytest
from gallery_samples import DIMENSION, MODEL, best, sample_of

from pipeline.errors import (
    GalleryBusyError,
    GalleryDamagedError,
    GalleryError,
    GalleryVersionError,
)
from pipeline.gallery.gallery import Gallery


def test_no_gallery(tmp_path):
    with pytest.raises(GalleryError, match="there is no gallery"):
        Gallery.open(tmp_path / "none", MODEL, DIMENSION, create=False)
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(GalleryError):
        Gallery.open(tmp_path / "file", MODEL, DIMENSION)


def test_not_a_database(tmp_path):
    (tmp_path / "gallery.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(GalleryDamagedError):
        Gallery.open(tmp_path, MODEL, DIMENSION)


def test_somebody_elses_database(tmp_path):
    with sqlite3.connect(tmp_path / "gallery.db") as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    other.close()
    with pytest.raises(GalleryDamagedError, match="no Knownface gallery"):
        Gallery.open(tmp_path, MODEL, DIMENSION)


def test_a_newer_gallery_is_refused(tmp_path):
    Gallery.open(tmp_path, MODEL, DIMENSION).close()
    with sqlite3.connect(tmp_path / "gallery.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(GalleryVersionError, match="newer"):
        Gallery.open(tmp_path, MODEL, DIMENSION)


def test_a_locked_gallery_says_so_and_can_still_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.gallery.engine.BUSY_TIMEOUT_S", 0.05)
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol("Ada", [sample_of("ada")])
        writer = sqlite3.connect(tmp_path / "gallery.db", isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(GalleryBusyError):
            gallery.enrol("Bob", [sample_of("bob")])
        assert best(gallery, "ada") == ["Ada"]
        writer.execute("ROLLBACK")
        writer.close()
        gallery.enrol("Bob", [sample_of("bob")])
        assert best(gallery, "bob") == ["Bob"]


def test_two_galleries_on_one_truth_see_each_other(location):
    with Gallery.open(location, MODEL, DIMENSION) as one, Gallery.open(location, MODEL, DIMENSION) as two:
        one.enrol("Ada", [sample_of("ada")])
        assert best(two, "ada") == ["Ada"]
        two.enrol("Bob", [sample_of("bob")])
        assert best(one, "bob") == ["Bob"]
        one.merge("Bob", "Ada")
        assert best(two, "bob") == ["Ada"]
        two.rename("Ada", "Eve")
        assert best(one, "bob", "ada") == ["Eve", "Eve"]
        one.remove("Eve")
        assert best(two, "ada") == [None]
