from __future__ import annotations

import base64
import json
import sqlite3
import threading

import numpy as np
import pytest
from gallery_samples import DIMENSION, MODEL, probe_of, sample_of, vector_of

from pipeline.errors import GalleryDamagedError, GalleryError, GalleryVersionError, SubjectNotFoundError
from pipeline.gallery.gallery import Gallery


def names(gallery):
    return [info.name for info in gallery.subjects()]


def test_backup_and_restore(gallery, tmp_path):
    gallery.enrol("Ada", [sample_of("ada", crop=b"png")])
    (tmp_path / "backups").mkdir()
    gallery.backup(tmp_path / "backups" / "one.db")
    gallery.enrol("Bob", [sample_of("bob")])
    gallery.remove("Ada")
    Gallery.restore(tmp_path / "backups" / "one.db", tmp_path / "elsewhere")
    with Gallery.open(tmp_path / "elsewhere", MODEL, DIMENSION, create=False) as copy:
        assert names(copy) == ["Ada"]
        assert copy.search(probe_of("ada"))[0].subjects == ("Ada",)
        assert copy.check() == []
    assert not list((tmp_path / "elsewhere").glob("*.tmp"))
    with pytest.raises(GalleryError, match="already"):
        gallery.backup(tmp_path / "backups" / "one.db")


def test_restore_replaces_a_gallery_that_is_open(gallery, tmp_path):
    gallery.enrol("Ada", [sample_of("ada")])
    gallery.backup(tmp_path / "one.db")
    gallery.remove("Ada")
    gallery.enrol_many([(f"s{n}", sample_of(n)) for n in range(50)])
    gallery.save_index()
    assert gallery.search(probe_of("ada"))[0].subjects[0] != "Ada"
    Gallery.restore(tmp_path / "one.db", tmp_path / "gallery")
    assert [found.subjects for found in gallery.search(probe_of("ada", 7))] == [("Ada",), ("Ada",)]
    assert names(gallery) == ["Ada"]
    assert gallery.check() == []
    gallery.enrol("Eve", [sample_of("eve")])
    assert gallery.search(probe_of("eve"))[0].subjects[0] == "Eve"
    for needle in (vector_of(7), vector_of(49)):
        assert not [f for f in (tmp_path / "gallery").iterdir() if needle.tobytes() in f.read_bytes()]


def test_restore_mends_a_gallery_that_is_no_database_any_more(gallery, tmp_path):
    gallery.enrol("Ada", [sample_of("ada")])
    gallery.backup(tmp_path / "one.db")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "gallery.db").write_bytes(b"rubbish" * 5000)
    Gallery.restore(tmp_path / "one.db", broken)
    with Gallery.open(broken, MODEL, DIMENSION) as mended:
        assert names(mended) == ["Ada"]


def test_restore_refuses_what_is_no_backup(gallery, tmp_path):
    gallery.enrol("Ada", [sample_of("ada")])
    gallery.backup(tmp_path / "one.db")
    (tmp_path / "text.db").write_bytes(b"rubbish" * 5000)
    with pytest.raises(GalleryDamagedError):
        Gallery.restore(tmp_path / "text.db", tmp_path / "gallery")
    with pytest.raises(GalleryError, match="no such"):
        Gallery.restore(tmp_path / "none.db", tmp_path / "gallery")
    with sqlite3.connect(tmp_path / "one.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(GalleryVersionError):
        Gallery.restore(tmp_path / "one.db", tmp_path / "gallery")
    assert names(gallery) == ["Ada"]


def test_a_backup_taken_while_others_write_is_one_state(gallery, tmp_path):
    """Each transaction enrols a pair; no backup may hold half of one."""
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            gallery.enrol_many(
                [(f"left {number}", sample_of(("l", number))), (f"right {number}", sample_of(("r", number)))]
            )
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            gallery.backup(tmp_path / f"{number}.db")
    finally:
        stop.set()
        writer.join()
    for number in range(5):
        with sqlite3.connect(tmp_path / f"{number}.db") as database:
            found = {name for (name,) in database.execute("SELECT name FROM subjects")}
        database.close()
        lefts = {name.split()[1] for name in found if name.startswith("left")}
        assert lefts == {name.split()[1] for name in found if name.startswith("right")}


def test_export_is_everything_and_goes_into_json(gallery):
    [uid] = gallery.enrol("Ada", [sample_of("ada", crop=b"png bytes", quality=0.25)])
    exported = json.loads(json.dumps(gallery.export(" Ada ")))
    [sample] = exported["samples"]
    assert (exported["subject"], sample["id"], sample["quality"]) == ("Ada", uid, 0.25)
    assert base64.b64decode(sample["crop_png"]) == b"png bytes"
    [template] = sample["templates"]
    assert template["model_id"] == MODEL
    vector = np.frombuffer(base64.b64decode(template["vector_f32"]), "<f4")
    assert vector.tolist() == vector_of("ada").tolist()
    with pytest.raises(SubjectNotFoundError):
        gallery.export("Eve")


def test_compact_gives_space_back_and_others_follow(gallery, tmp_path):
    with Gallery.open(tmp_path / "gallery", MODEL, DIMENSION) as other:
        gallery.enrol_many([(f"s{n}", sample_of(n, crop=b"x" * 5000)) for n in range(100)])
        other.search(probe_of(1))
        for n in range(90):
            gallery.remove(f"s{n}")
        before = gallery.stats()
        assert before["tombstones"] == 90
        gallery.compact()
        after = gallery.stats()
        assert after["tombstones"] == 0
        assert after["database_bytes"] < before["database_bytes"] / 3
        assert after["log_bytes"] == 0
        assert other.search(probe_of(95))[0].subjects[0] == "s95"
        assert other.search(probe_of(5))[0].scores[0] < 0.9
        assert other.check() == []


def test_stats_go_into_json(gallery):
    gallery.enrol("Ada", [sample_of("a"), sample_of("b")])
    gallery.search(probe_of("a"))
    figures = json.loads(json.dumps(gallery.stats()))
    assert (figures["subjects"], figures["samples"], figures["templates_of_model"]) == (1, 2, 2)
    assert figures["index"] | {"vectors": 2, "loaded": True} == figures["index"]
    assert figures["model_id"] == MODEL


def corrupt(gallery, statement, *values):
    with gallery._truth.writing() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        connection.exec_driver_sql(statement, values)


@pytest.mark.parametrize(
    ("vector", "what"),
    [
        (vector_of("x") * 2, "length 2"),
        (np.full(DIMENSION, np.nan, np.float32), "length nan"),
        (vector_of("x", 16), "64 bytes instead of 128"),
    ],
)
def test_check_finds_bad_vectors(gallery, vector, what):
    gallery.enrol("Ada", [sample_of("ada")])
    gallery.enrol("Bob", [sample_of("bob")])
    corrupt(gallery, "UPDATE templates SET vector = ? WHERE id = 1", vector.tobytes())
    [problem] = gallery.check()
    assert problem.kind == "bad_vector"
    assert what in problem.message
    assert "'Ada'" in problem.message
    assert not problem.repaired
    assert gallery.search(probe_of("bob"))[0].subjects == ("Bob",)  # the others are still found
    assert [p.kind for p in gallery.check(repair=True) if p.repaired] == ["bad_vector"]
    assert [p.kind for p in gallery.check()] == ["sample_without_template"]
    gallery.enrol("Ada", [sample_of("ada")])  # as the message says
    assert gallery.check() == []
    assert gallery.search(probe_of("ada"))[0].subjects[0] == "Ada"


def test_check_finds_broken_references(gallery, tmp_path):
    gallery.enrol_many([(name, sample_of(name)) for name in ("Ada", "Bob", "Cy")])
    with sqlite3.connect(tmp_path / "gallery" / "gallery.db") as database:  # foreign keys are off here
        database.execute("DELETE FROM samples WHERE id = 1")
        database.execute("DELETE FROM subjects WHERE id = 2")
    database.close()
    kinds = {problem.kind for problem in gallery.check()}
    assert kinds == {"template_without_sample", "broken_reference"}
    assert {p.kind for p in gallery.check(repair=True) if p.repaired} == kinds
    assert gallery.search(probe_of("Ada"))[0].subjects == ("Cy",)
    assert gallery.check() == []


def test_check_finds_a_damaged_page(tmp_path):
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        gallery.enrol_many([(f"s{n}", sample_of(n)) for n in range(300)])
        assert gallery.check() == []
        gallery.compact()
    file = tmp_path / "gallery.db"
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 8] = b"\xff" * 8
    file.write_bytes(data)
    with Gallery.open(tmp_path, MODEL, DIMENSION) as gallery:
        try:
            kinds = {problem.kind for problem in gallery.check()}
        except GalleryDamagedError:
            kinds = {"damaged_page"}
    assert kinds == {"damaged_page"}
